import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { revision } from "../../unit/agent/controller-side.ts";
import { leaveProcess } from "./left-by-an-agent.ts";
import { eventually, runOf, World } from "./world.ts";

const SLOTS = 2;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** A command that notes its name and goes on until it is told to end. */
async function offer(name: string, further: object = {}): Promise<string> {
  const work = { args: [until(name)] };
  return runOf(await world.controller.offer({ name, work, ...further })).runID;
}

function until(name: string): string {
  const go = world.path(`go-${name}`);
  return `echo ${name} >> ${world.path("ran")}; until [ -e ${go} ]; do sleep 0.02; done`;
}

function started(...names: string[]): Promise<void> {
  return eventually(() => expect(world.lines("ran").toSorted()).toEqual(names.toSorted()));
}

describe("with as many commands under way as may be", () => {
  test("further ones wait, and start in the order in which they came", async () => {
    await world.startReadyAgent({ maxRunningCommands: SLOTS });
    for (const name of ["a", "b", "c", "d"]) await offer(name);
    await started("a", "b");
    await world.run({ work: { method: "ping", args: [] } });
    expect(world.lines("ran")).toHaveLength(SLOTS);
    world.touch("go-b");
    await started("a", "b", "c");
    world.touch("go-a");
    await started("a", "b", "c", "d");
    expect(world.lines("ran").slice(2)).toEqual(["c", "d"]);
  });

  test("one that waits for the end of its predecessor takes none of the places", async () => {
    await world.startReadyAgent({ maxRunningCommands: SLOTS });
    const stubborn = { work: { args: [`trap '' TERM; ${until("a1")}`] } };
    const first = await offer("a", stubborn);
    await started("a1");
    const next = { revision: revision("b"), generation: 2, declared: 2 };
    const second = await offer("a", { ...next, work: { args: [until("a2")] } });
    await offer("b");
    await started("a1", "b", "a2");
    expect((await world.result(first)).result.outcome).toBe("Cancelled");
    world.touch("go-a2");
    expect((await world.result(second)).result.outcome).toBe("Succeeded");
  });

  test("one that fails makes room, and its next attempt goes to the end", async () => {
    await world.startReadyAgent({ maxRunningCommands: 1 });
    const retry = { limit: 1, backoffMs: 1, maxBackoffMs: 1 };
    const again = await offer("a", { work: { args: [`${until("a")}; exit 1`] }, terms: { retry } });
    await offer("b");
    await offer("c");
    for (const name of ["a", "b", "c"]) world.touch(`go-${name}`);
    await world.result(again);
    expect(world.lines("ran")).toEqual(["a", "b", "c", "a"]);
  });

  test("those that an earlier agent started count", async () => {
    const kept = await leaveProcess(world, until("kept"), {
      state: "Running",
      offer: { name: "kept" },
    });
    await world.startReadyAgent({ maxRunningCommands: SLOTS });
    await offer("a");
    await offer("b");
    await started("kept", "a");
    await world.run({ work: { method: "ping", args: [] } });
    expect(world.lines("ran")).toHaveLength(SLOTS);
    world.touch("go-kept");
    await started("kept", "a", "b");
    expect((await world.result(kept.runID)).result.outcome).toBe("Succeeded");
  });
});
