import { NODES, OURS, type FleetWorld } from "./fleet-world.ts";
import type { Tally } from "./tally.ts";

/** What the cluster and the disks of the nodes say, to be held against what they say afterwards. */
export interface Before {
  readonly statuses: string;
  readonly identities: string;
  readonly truths: ReadonlyMap<string, number>;
}

export async function takeStock(world: FleetWorld, names: readonly string[]): Promise<Before> {
  return {
    statuses: await world.statuses(),
    identities: await identities(world),
    truths: await truths(world, names),
  };
}

function identities(world: FleetWorld): Promise<string> {
  const fields =
    "{.metadata.name} {.spec} {.status.identity.publicKey} {.status.identity.sealingKey} {.status.session.id}";
  return world.kubectl([
    "get",
    "en",
    "-A",
    "-o",
    `jsonpath={range .items[*]}${fields}{"\\n"}{end}`,
  ]);
}

async function truths(world: FleetWorld, names: readonly string[]): Promise<Map<string, number>> {
  const counted = names.map(async (name) => [name, await world.timesRun(name)] as const);
  return new Map(await Promise.all(counted));
}

/** Nothing has changed, nobody has died, and all still work. */
export async function expectNothing(
  world: FleetWorld,
  before: Before,
  { attack, tally }: { readonly attack: string; readonly tally: Tally },
): Promise<void> {
  const now = await takeStock(world, [...before.truths.keys()]);
  tally.add(`${attack}: statuses change`, differenceOf(before.statuses, now.statuses));
  tally.add(`${attack}: who a node is changes`, differenceOf(before.identities, now.identities));
  for (const [name, times] of before.truths) {
    const isSame = now.truths.get(name) === times;
    tally.add(
      `${attack}: commands run`,
      isSame ? undefined : `${name} ran ${times} times before and ${now.truths.get(name)} now`,
    );
  }
  for (const process of world.processes) {
    const errors = await world.errorsOf(process);
    const hasEnded = await Promise.race([process.exited, Promise.resolve(undefined)]);
    const breach =
      hasEnded === undefined ? errors[0] : `${process.name} has ended: ${JSON.stringify(hasEnded)}`;
    tally.add(`${attack}: processes die or are in trouble`, breach);
  }
  await Promise.all(NODES.map((node) => expectAlive(world, node, { attack, tally })));
}

async function expectAlive(
  world: FleetWorld,
  node: string,
  { attack, tally }: { readonly attack: string; readonly tally: Tally },
): Promise<void> {
  const name = `alive-${node}-${attack.replace(/[^a-z]+/g, "-")}`;
  await world.untilReady(OURS, node);
  await world.apply(name, node);
  const { phase } = await world.completed(name);
  const times = await world.timesRun(name);
  const isFine = phase === "Succeeded" && times === 1;
  tally.add(
    `${attack}: commands do not work any more`,
    isFine ? undefined : `${name} is ${phase} and ran ${times} times`,
  );
}

function differenceOf(before: string, now: string): string | undefined {
  if (before === now) return undefined;
  const known = new Set(before.split("\n"));
  return now
    .split("\n")
    .filter((line) => !known.has(line))
    .join(" ")
    .slice(0, 600);
}
