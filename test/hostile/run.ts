import { startNatsServer } from "../../dev/controlplane/control-plane.ts";
import { readNatsAccess } from "../../dev/controlplane/nats-access.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { expectNothing, takeStock } from "./aftermath.ts";
import { tryBadCredentials } from "./credentials.ts";
import { tryEnrollments } from "./enrollments.ts";
import { FleetWorld, NODES, OURS } from "./fleet-world.ts";
import type { Said } from "./frame.ts";
import { attackInProcess } from "./in-process-agent.ts";
import { tryWithoutEachRight } from "./needed-rights.ts";
import type { Options } from "./options.ts";
import { comeUninvited, tryRogueNode } from "./rogue.ts";
import type { Tally } from "./tally.ts";
import { tryOtherNamespace } from "./tenants.ts";
import { attackOverTheWire, raceForReplies, type WireAttack } from "./wire.ts";

/** Of all mutations, how many are said to real processes; the rest to the same code in this one. */
const OVER_THE_WIRE = 0.5;
const MOST_OVER_THE_WIRE = 5_000;

export interface Reporting {
  readonly say: (line: string) => void;
  readonly tally: Tally;
}

/** Everything that an attacker may try, against a whole fleet. Throws if the fleet cannot even be started, or stalls. */
export async function runHostile(
  { mutations, seed }: Options,
  { say, tally }: Reporting,
): Promise<void> {
  const wired = Math.min(MOST_OVER_THE_WIRE, Math.floor(mutations * OVER_THE_WIRE));
  say(`${mutations - wired} mutations in process`);
  await attackInProcess(mutations - wired, seededRandom(seed), tally);
  say("a broker alone: credentials, and the rights of a node");
  await attackBroker(tally);
  say("starting a fleet");
  await using world = await FleetWorld.start();
  say(`a broker that changes, repeats and invents: ${wired} mutations over the wire`);
  const corpus = await attackFleet(world, wired, { random: seededRandom(seed + 1), tally });
  say("a tenant");
  await tryOtherNamespace(world, tally);
  say("enrollments");
  await tryEnrollments(world, tally);
  say("a rogue node");
  await attackAsNode(world, corpus, tally);
}

async function attackBroker(tally: Tally): Promise<void> {
  await using server = await startNatsServer();
  const access = await readNatsAccess(server.keysDir ?? "");
  await tryBadCredentials(server, access, { now: clock.now(), tally });
  await tryWithoutEachRight(server, access, tally);
}

async function attackFleet(
  world: FleetWorld,
  wired: number,
  by: Omit<WireAttack, "corpus">,
): Promise<readonly Said[]> {
  const names = await workload(world);
  const corpus = [...world.heard];
  const before = await takeStock(world, names);
  await attackOverTheWire(world, wired, { ...by, corpus });
  await expectNothing(world, before, { attack: "over the wire", tally: by.tally });
  await raceForReplies(world, { ...by, corpus });
  return corpus;
}

async function attackAsNode(
  world: FleetWorld,
  corpus: readonly Said[],
  tally: Tally,
): Promise<void> {
  const { identities } = await takeStock(world, []);
  await Promise.all([tryRogueNode(world, corpus, tally), comeUninvited(world, tally)]);
  // Commands of its own have come to what there was.
  const before = { ...(await takeStock(world, [])), identities };
  await expectNothing(world, before, { attack: "rogue node", tally });
}

/** Something of everything that is ever said: commands, results, withdrawals, and the words of an earlier session. */
async function workload(world: FleetWorld): Promise<string[]> {
  const names = Array.from({ length: 6 }, (_, index) => `work-${index}`);
  const applied = names.map((name, index) =>
    world.apply(name, NODES[index % NODES.length] ?? "ship1"),
  );
  await Promise.all(applied);
  await Promise.all(names.map((name) => world.completed(name)));
  await world.restartAgent("ship2");
  await world.untilReady(OURS, "ship2");
  for (const name of ["ended", "removed"]) await world.apply(name, "ship2", "sleep 60");
  for (const name of ["ended", "removed"]) {
    await world.kubectl([
      "wait",
      "-n",
      OURS,
      "--for=jsonpath={.status.phase}=Running",
      `ec/${name}`,
      "--timeout=60s",
    ]);
  }
  await world.kubectl([
    "patch",
    "ec",
    "ended",
    "-n",
    OURS,
    "--type=merge",
    "-p",
    '{"spec":{"cancel":true}}',
  ]);
  await world.completed("ended");
  await world.kubectl(["delete", "ec", "removed", "-n", OURS]);
  return [...names, "ended", "removed"];
}
