import type { EdgeNode } from "../api/v1alpha1/edgenode.ts";
import { parsePublicCommandKeys } from "../identity/command-keys.ts";
import { encodeJoinToken, type JoinToken } from "../identity/join-token.ts";
import { newKeyPair } from "../identity/key-pair.ts";
import { KeySetError, type KeyFile, type KeyFiles } from "../identity/key-set-layout.ts";
import { parseServers } from "../identity/servers.ts";
import { ApiError } from "../kubernetes/api-error.ts";
import { readClusterID } from "../kubernetes/cluster.ts";
import { createResourceClient, type ResourceClient } from "../kubernetes/resource-client.ts";
import type { Transport } from "../kubernetes/transport.ts";
import { enrollProgram } from "./enroll-options.ts";
import { openKeyStore } from "./key-store-open.ts";
import { openTransport, runOneShot } from "./one-shot.ts";
import type { Compiled } from "./program.ts";
import { edgeNodes } from "./resources.ts";

type Options = Compiled<typeof enrollProgram.options>;
type Enrollment = NonNullable<EdgeNode["spec"]["enrollment"]>;

/** `steward enroll`. Resolves to the exit status. */
export async function runEnroll(argv: readonly string[]): Promise<number> {
  return runOneShot(enrollProgram, argv, async (options) => {
    await using stack = new AsyncDisposableStack();
    const store = await openKeyStore(options, stack);
    const transport = stack.use(await openTransport(options.kubeconfig));
    const files = await store.read(["enrollment"]);
    const known = {
      ...publicPart(files, options),
      node: options.node,
      namespace: options.namespace,
      clusterID: options.clusterId ?? (await readClusterID(transport)),
    };
    const { line, advice } = options.token
      ? await withToken(known, options, transport)
      : { line: encodeJoinToken(known), advice: adviceOnKey(options) };
    process.stdout.write(`steward agent join ${line}\n`);
    process.stderr.write(advice);
  });
}

interface Printed {
  /** What follows `steward agent join`. */
  readonly line: string;
  readonly advice: string;
}

async function withToken(
  known: Omit<JoinToken, "seed">,
  options: Options,
  transport: Transport,
): Promise<Printed> {
  const { publicKey, seed } = newKeyPair("user");
  const expiresAt = new Date(Date.now() + options.ttlMs).toISOString();
  const line = encodeJoinToken({ ...known, seed });
  const client = createResourceClient<EdgeNode>(transport, edgeNodes);
  const node = await declare(client, options, { publicKey, expiresAt });
  return { line, advice: adviceOnToken(node, expiresAt) };
}

type PublicPart = Pick<JoinToken, "servers" | "ca" | "commandKeys" | "enrollmentJwt">;

function publicPart(files: KeyFiles, { natsUrl }: Options): PublicPart {
  const servers =
    natsUrl ??
    parseServers(
      need(
        files,
        "enrollment/servers.json",
        "give --nats-url here or to steward bootstrap: where nodes reach the broker",
      ),
    );
  const ca = need(files, "enrollment/ca.crt");
  const commandKeys = parsePublicCommandKeys(need(files, "enrollment/command-keys.pub.json"));
  const enrollmentJwt = need(files, "enrollment/enrollment.jwt").trim();
  return { servers, ca, commandKeys, enrollmentJwt };
}

function need(files: KeyFiles, file: KeyFile, fix = "run steward bootstrap first"): string {
  const text = files.get(file);
  if (text === undefined) throw new KeySetError(file, `is missing: ${fix}`);
  return text;
}

/** Creates the EdgeNode, or lets the one that is there expect this token and no earlier one. */
async function declare(
  client: ResourceClient<EdgeNode>,
  { node, namespace }: Options,
  enrollment: Enrollment,
): Promise<EdgeNode> {
  try {
    return await client.create({
      metadata: { namespace, name: node },
      spec: { enrollment, disabled: false },
    });
  } catch (thrown) {
    if (!(thrown instanceof ApiError) || !thrown.isAlreadyExists()) throw thrown;
    return client.patch(namespace, node, { spec: { enrollment } });
  }
}

function adviceOnToken({ metadata, spec }: EdgeNode, expiresAt: string): string {
  const { namespace, name } = metadata;
  const warnings = [
    ...(spec.publicKey === undefined
      ? []
      : [`${name} has a key already: whoever uses this token takes its place.`]),
    ...(spec.disabled
      ? [`${name} is disabled: set spec.disabled to false, or the token is refused.`]
      : []),
  ];
  return [
    ...warnings,
    `Run that line on the machine that is to be ${name}, as the user of the agent. Who has it can become ${name}:`,
    `keep it secret. It is good once, until ${expiresAt}. Then see: kubectl -n ${namespace} get edgenode ${name}`,
    "",
  ].join("\n");
}

function adviceOnKey({ namespace, node }: Options): string {
  return [
    `Run that line on the machine that is to be ${node}, as the user of the agent. There is no secret in it: the machine`,
    `becomes ${node} when spec.publicKey of the EdgeNode ${namespace}/${node} is what steward agent keygen prints there.`,
    "",
  ].join("\n");
}
