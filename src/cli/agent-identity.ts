import { IdentityDirectory, IdentityError } from "../agent/identity-directory.ts";
import { NodeIdentity, readOrMakeSealingKey } from "../agent/node-identity.ts";
import type { AgentSecurity } from "../agent/security.ts";
import { ANYONE, NO_SIGNERS } from "../protocol/signature.ts";
import type { agentProgram } from "./agent-options.ts";
import type { Compiled } from "./program.ts";

/** Who the agent is, where its broker is, and whom it believes. */
export interface AgentIdentity {
  readonly node: string;
  readonly namespace: string;
  readonly servers: readonly string[];
  readonly security: AgentSecurity;
  /** Of a node that has joined a cluster; undefined for an insecure one. */
  readonly joined: NodeIdentity | undefined;
}

type Options = Pick<
  Compiled<typeof agentProgram.options>,
  "node" | "namespace" | "natsUrl" | "dataDir" | "insecure"
>;

/** Throws an IdentityError, whose message says what to do. */
export async function openAgentIdentity(options: Options): Promise<AgentIdentity> {
  const directory = new IdentityDirectory(options.dataDir);
  const joined = await NodeIdentity.open(directory);
  if (options.insecure) {
    if (joined === undefined) return insecureIdentity(options, directory);
    throw new IdentityError(
      `--insecure: this node has joined a cluster: leave --insecure out, or remove ${directory.path}`,
    );
  }
  if (joined === undefined) {
    throw new IdentityError(
      `there is no identity in ${directory.path}: run steward agent join with the token that steward enroll ` +
        "printed (or, for a trial where everybody on the broker is trusted, give --insecure, --node and --nats-url)",
    );
  }
  const { node, namespace, servers } = joined.known;
  mustAgree("--node", options.node, node);
  mustAgree("--namespace", options.namespace, namespace);
  return { node, namespace, servers: options.natsUrl ?? servers, security: joined, joined };
}

function mustAgree(flag: string, given: string | undefined, joined: string): void {
  if (given === undefined || given === joined) return;
  throw new IdentityError(
    `${flag}: got ${given}, but this node has joined as ${joined}: leave it out`,
  );
}

async function insecureIdentity(
  { node, namespace = "default", natsUrl }: Options,
  directory: IdentityDirectory,
): Promise<AgentIdentity> {
  if (node === undefined) throw new IdentityError("--insecure: --node is required with it");
  if (natsUrl === undefined) throw new IdentityError("--insecure: --nats-url is required with it");
  const security: AgentSecurity = {
    signers: NO_SIGNERS,
    trust: ANYONE,
    sealingKey: await readOrMakeSealingKey(directory),
    trustSerial: undefined,
    learn: async () => undefined,
  };
  return { node, namespace, servers: natsUrl, security, joined: undefined };
}
