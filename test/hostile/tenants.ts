import { frameOf } from "./frame.ts";
import {
  manifest,
  OURS,
  TENANT,
  THEIR_NODE,
  THEIRS,
  until,
  type FleetWorld,
} from "./fleet-world.ts";
import type { Tally } from "./tally.ts";
import { newKeyPair } from "../../src/identity/key-pair.ts";

const ATTACK = "tenant";

/** Who may do everything in one namespace tries to have something done by a node of another. */
export async function tryOtherNamespace(world: FleetWorld, tally: Tally): Promise<void> {
  await allowAllIn(OURS, world);
  const kubeconfig = await world.plane.writeKubeconfig(TENANT);
  const asTenant = (
    args: readonly string[],
    stdin?: string,
  ): ReturnType<FleetWorld["tryKubectl"]> => world.tryKubectl(args, stdin, kubeconfig);
  const apply = (namespace: string, object: object): ReturnType<FleetWorld["tryKubectl"]> =>
    asTenant(["apply", "-n", namespace, "-f", "-"], JSON.stringify(object));
  const spec = { nodeName: THEIR_NODE, method: "ping" };
  const heardBefore = world.heard.length;

  const { code } = await apply(OURS, manifest("stranger", spec));
  tally.add(
    `${ATTACK}: names a node of another namespace`,
    await reachedNode(world, "stranger", { code, reason: "NodeNotFound" }),
  );

  const node = {
    apiVersion: "steward.dev/v1alpha1",
    kind: "EdgeNode",
    metadata: { name: THEIR_NODE },
  };
  const publicKey = newKeyPair("user").publicKey;
  await apply(OURS, { ...node, spec: { publicKey } });
  const second = await apply(OURS, manifest("namesake", spec));
  tally.add(
    `${ATTACK}: declares a node of the same name`,
    await reachedNode(world, "namesake", { code: second.code, reason: "NameConflict" }),
  );

  const denied: readonly (readonly [string, readonly string[], object?])[] = [
    [
      "creates a command in another namespace",
      ["apply", "-n", THEIRS, "-f", "-"],
      manifest("intruder", spec),
    ],
    ["reads commands of another namespace", ["get", "ec", "-n", THEIRS]],
    [
      "gives a node of another namespace a key",
      [
        "patch",
        "en",
        THEIR_NODE,
        "-n",
        THEIRS,
        "--type=merge",
        "-p",
        JSON.stringify({ spec: { publicKey } }),
      ],
    ],
    ["reads the keys of the fleet", ["get", "secrets", "-n", "steward"]],
  ];
  for (const [what, args, object] of denied) {
    const result = await asTenant(args, object && JSON.stringify(object));
    tally.add(`${ATTACK}: ${what}`, result.code === 0 ? result.stdout.slice(0, 200) : undefined);
  }
  const sent = world.heard
    .slice(heardBefore)
    .filter(({ subject, data }) => isCommandOf(subject, data));
  tally.addMany(
    `${ATTACK}: something is said to the other node`,
    1,
    sent.map(({ subject }) => subject),
  );
  await world.kubectl(["delete", "en", THEIR_NODE, "-n", OURS]);
  await world.untilReady(THEIRS, THEIR_NODE);
}

async function reachedNode(
  world: FleetWorld,
  name: string,
  { code, reason }: { readonly code: number | null; readonly reason: string },
): Promise<string | undefined> {
  if (code !== 0) return "it could not even be applied";
  const said = async (): Promise<string> =>
    world.kubectl(["get", "ec", name, "-n", OURS, "-o", "jsonpath={.status}"]);
  await until(`${name} says ${reason}`, async () => (await said()).includes(reason));
  const status = await said();
  return status.includes('"reason":"NotAcknowledged"') ? undefined : status;
}

/** A command for the other node that names a resource of ours. */
function isCommandOf(subject: string, data: Uint8Array): boolean {
  if (!subject.startsWith(`${THEIR_NODE}.command.`) || subject.endsWith(".hello")) return false;
  try {
    return Buffer.from(frameOf(data).payload, "base64")
      .toString()
      .includes(`"namespace":"${OURS}"`);
  } catch {
    return false;
  }
}

async function allowAllIn(namespace: string, world: FleetWorld): Promise<void> {
  const role = [
    "create",
    "role",
    "steward",
    "-n",
    namespace,
    "--verb=*",
    "--resource=edgecommands.steward.dev,edgenodes.steward.dev",
  ];
  await world.kubectl(role);
  await world.kubectl([
    "create",
    "rolebinding",
    "steward",
    "-n",
    namespace,
    "--role=steward",
    `--user=${TENANT.user}`,
  ]);
}
