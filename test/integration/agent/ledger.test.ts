import { randomUUID } from "node:crypto";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  LedgerCorruptError,
  LedgerExposedError,
  LedgerInUseError,
  LedgerTooNewError,
} from "../../../src/agent/ledger-errors.ts";
import { FatalError } from "../../../src/runtime/errorkernel.ts";
import { CLUSTER_ID, command } from "../../unit/agent/controller-side.ts";
import { eventually, isAlive, runOf, World } from "./world.ts";

const NOW = "2026-11-24T06:00:00.000Z";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

test.each(["new", "old"])(
  "the files of a ledger that is %s are for its owner alone, in a folder that all may look into",
  (age) => {
    mkdirSync(world.dataDir, { mode: 0o755 });
    if (age === "old") {
      world.openLedger().close();
      chmodSync(world.ledgerPath, 0o644);
    }
    const ledger = world.openLedger();
    const files = readdirSync(world.dataDir).filter((name) => name.startsWith("ledger.db"));
    const modes = files.map((name) => statSync(join(world.dataDir, name)).mode & 0o777);
    ledger.close();
    expect(files).toContain("ledger.db-wal");
    expect(new Set(modes)).toEqual(new Set([0o600]));
  },
);

describe("a ledger is refused, with a reason a person can act on, when", () => {
  test("another agent has it", async () => {
    await world.startReadyAgent();
    const second = await world.startAgent();
    await expect(second.ended).rejects.toThrow(LedgerInUseError);
    await expect(second.ended).rejects.toThrow(`the ledger ${world.ledgerPath} is in use`);
    expect((await world.shell("true")).result.outcome).toBe("Succeeded");
  });

  test("a later version of Steward wrote it", async () => {
    world.openLedger().close();
    const db = new DatabaseSync(world.ledgerPath);
    db.exec("PRAGMA user_version = 99");
    db.close();
    const agent = await world.startAgent();
    await expect(agent.ended).rejects.toThrow(LedgerTooNewError);
    await expect(agent.ended).rejects.toThrow(/version 99 .* reads up to 2/);
  });

  test.each([
    ["others may write to its folder", (dir: string) => chmodSync(dir, 0o707)],
    ["a group may write to its folder", (dir: string) => chmodSync(dir, 0o770)],
    ["its folder is somebody else's", (dir: string) => chownSync(dir, 65_534, 65_534)],
  ])("%s", async (_, spoil) => {
    mkdirSync(world.dataDir);
    spoil(world.dataDir);
    const agent = await world.startAgent();
    await expect(agent.ended).rejects.toThrow(LedgerExposedError);
    await expect(agent.ended).rejects.toThrow(`others may write to ${world.dataDir}, out of which`);
    expect(readdirSync(world.dataDir)).toEqual([]);
  });

  test("it is no ledger at all", async () => {
    mkdirSync(world.dataDir);
    writeFileSync(world.ledgerPath, "no ledger ".repeat(1_000));
    const agent = await world.startAgent();
    await expect(agent.ended).rejects.toThrow(LedgerCorruptError);
    await expect(agent.ended).rejects.toThrow(/is damaged .* Keep a copy/);
    expect(readFileSync(world.ledgerPath, "utf8")).toBe("no ledger ".repeat(1_000));
  });

  test("its pages are damaged", async () => {
    const ledger = world.openLedger();
    await ledger.commit((tables) => {
      for (let index = 0; index < 200; index += 1) {
        tables.insertRun(randomUUID(), command({ name: `task-${index}` }), NOW);
      }
    });
    ledger.close();
    const { size } = statSync(world.ledgerPath);
    writeSync(openSync(world.ledgerPath, "r+"), Buffer.alloc(size - 8_192, 0xff), 0, null, 8_192);
    const agent = await world.startAgent();
    await expect(agent.ended).rejects.toThrow(LedgerCorruptError);
  });
});

test("a ledger keeps its id, its cluster and its runs", async () => {
  const ledger = world.openLedger();
  const { ledgerID } = ledger;
  expect(ledger.clusterID).toBeUndefined();
  await ledger.pinCluster(CLUSTER_ID);
  await ledger.pinCluster(randomUUID());
  ledger.close();
  const again = world.openLedger();
  expect(again.ledgerID).toBe(ledgerID);
  expect(again.clusterID).toBe(CLUSTER_ID);
  again.close();
});

test("the folder of the ledger is the owner's alone", () => {
  world.openLedger().close();
  expect(statSync(world.dataDir).mode & 0o777).toBe(0o700);
});

test("what a command was goes from the file once it is over", async () => {
  const agent = await world.startReadyAgent();
  const secret = "correct-horse-battery-staple";
  const env = [{ name: "TOKEN", value: secret }];
  await world.shell("true", { work: { env, stdin: secret.repeat(1_000) } });
  await agent.stop();
  expect(readFileSync(world.ledgerPath, "latin1")).not.toContain(secret);
});

test("a ledger knows the controller's time in the boot in which that was told", async () => {
  const ledger = world.openLedger();
  const [boot, other] = [randomUUID(), randomUUID()];
  expect(ledger.read.clockOf(boot)).toBeUndefined();
  await ledger.commit((tables) => {
    tables.setClock(other, 1);
    tables.setClock(boot, 1_764_000_000_000.25);
  });
  ledger.close();
  const again = world.openLedger();
  expect(again.read.clockOf(boot)).toBe(1_764_000_000_000.25);
  expect(again.read.clockOf(other)).toBeUndefined();
  again.close();
});

test("a run that waits for its next attempt keeps what is needed for it, over a restart", async () => {
  const end = {
    outcome: "Failed",
    started: "True",
    exitCode: 7,
    startedAt: NOW,
    finishedAt: NOW,
    reason: "NonZeroExit",
    message: "It exited with 7.",
  } as const;
  const runID = randomUUID();
  const bootID = randomUUID();
  const notBefore = "2026-11-24T06:00:10.000Z";
  const ledger = world.openLedger();
  await ledger.commit((tables) => {
    tables.insertRun(runID, command({ rerun: "r1", epoch: 2 }), NOW);
    tables.setCurrent(runID, undefined);
    tables.markStarting(runID, { bootID, startingAt: 1_234.5 });
  });
  const started = { state: "Starting", attempts: 1, bootID, startingAt: 1_234.5 };
  expect(ledger.read.openRun(runID)).toMatchObject(started);
  await ledger.commit((tables) => tables.awaitRetry(runID, end, notBefore));
  ledger.close();
  const again = world.openLedger();
  const waiting = { state: "Accepted", attempts: 1, notBefore, lastEnd: end, ending: undefined };
  expect(again.read.openRuns()).toEqual([expect.objectContaining(waiting)]);
  expect(again.read.report(runID)).toMatchObject({
    state: "Accepted",
    attempts: 1,
    startedAt: NOW,
    rerun: "r1",
    epoch: 2,
  });
  await again.commit((tables) => {
    tables.markStarting(runID, { bootID, startingAt: 2_345, startedAt: notBefore });
  });
  expect(again.read.openRun(runID)).toMatchObject({
    attempts: 2,
    notBefore: undefined,
    startedAt: notBefore,
    lastEnd: end,
  });
  expect(again.read.report(runID).startedAt).toBe(NOW);
  expect(again.read.counter()).toBe(1);
  again.close();
});

test("writes of one moment are one transaction, in their order", async () => {
  const ledger = world.openLedger();
  const order: string[] = [];
  const names = ["a", "b", "c"];
  await Promise.all(
    names.map((name) =>
      ledger.commit((tables) => {
        order.push(name);
        tables.insertRun(randomUUID(), command({ name }), NOW);
        return tables.helloRuns().runsWithoutReceipt;
      }),
    ),
  ).then((counts) => expect(counts).toEqual([1, 2, 3]));
  expect(order).toEqual(names);
  ledger.close();
});

/** A ledger whose disk is full, as far as one kind of write goes. */
function failingOn(write: string): void {
  world.openLedger().close();
  const db = new DatabaseSync(world.ledgerPath);
  db.exec(`CREATE TRIGGER full BEFORE ${write} BEGIN SELECT RAISE(FAIL, 'disk full'); END`);
  db.close();
}

describe("a ledger that does not commit", () => {
  const poison = "INSERT ON runs WHEN new.name = 'poison'";

  test("rejects the write that failed, all beside it and all after it, and says so once more", async () => {
    failingOn(poison);
    const ledger = world.openLedger();
    const watched = ledger.watch(new AbortController().signal);
    const write = (name: string): Promise<void> =>
      ledger.commit((tables) => tables.insertRun(randomUUID(), command({ name }), NOW));
    const settled = await Promise.allSettled([write("a"), write("poison"), write("b")]);
    expect(settled.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    await expect(write("c")).rejects.toThrow(FatalError);
    await expect(watched).rejects.toThrow("the ledger does not commit");
    expect(ledger.read.helloRuns().runsWithoutReceipt).toBe(0);
    ledger.close();
  });

  test("makes the agent stop by itself: it takes nothing more, and leaves what runs to the next one", async () => {
    failingOn(poison);
    const agent = await world.startReadyAgent();
    const file = world.path("pid");
    const script = `trap '' TERM; echo $$ >> ${file}; while true; do sleep 0.01; done`;
    const { runID } = runOf(await world.controller.offer({ work: { args: [script] } }));
    await eventually(() => {
      expect(world.lines("pid")).toHaveLength(1);
      expect(world.statesOnDisk().get(runID)).toBe("Running");
    });
    const answers = await Promise.all([
      world.controller.offer({ name: "poison" }),
      world.controller.offer({ name: "later" }),
    ]);
    for (const answer of answers) {
      expect(answer).toMatchObject({ answer: "refused", reason: "JournalUnavailable" });
    }
    await expect(agent.ended).rejects.toThrow(FatalError);
    expect(agent.shutdowns).toHaveLength(1);
    expect(isAlive(Number(world.lines("pid")[0]))).toBe(true);
    expect(world.statesOnDisk()).toEqual(new Map([[runID, "Running"]]));
  });

  test("starts no process that it has not recorded", async () => {
    failingOn("UPDATE OF state ON runs WHEN new.state = 'Starting'");
    const agent = await world.startReadyAgent();
    const work = { args: [`echo ran >> ${world.path("ran")}`] };
    expect((await world.controller.offer({ work })).answer).toBe("accepted");
    await expect(agent.ended).rejects.toThrow(FatalError);
    expect(world.lines("ran")).toEqual([]);
  });

  test("sends no result that it has not recorded", async () => {
    failingOn("UPDATE OF state ON runs WHEN new.state = 'Finished'");
    const agent = await world.startReadyAgent();
    await world.controller.offer();
    await expect(agent.ended).rejects.toThrow(FatalError);
    expect(world.controller.results).toEqual([]);
  });
});
