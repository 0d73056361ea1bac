import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OpenRun } from "../../../src/agent/ledger-run.ts";
import { Ledger } from "../../../src/agent/ledger.ts";
import type { LedgerTables } from "../../../src/agent/ledger-tables.ts";
import { REPLACED } from "../../../src/agent/run-end.ts";
import { openedRun, unreadableEnd } from "../../../src/agent/sealed-work.ts";
import { takeCommand } from "../../../src/agent/take-command.ts";
import { newSealingKey, seal } from "../../../src/identity/sealing.ts";
import type { Command } from "../../../src/protocol/command.ts";
import { sealingContext } from "../../../src/protocol/sealed-inputs.ts";
import { agentSecurity } from "../../support/agent-security.ts";
import { withSealed } from "../../support/sealed-command.ts";
import { command, revision } from "./controller-side.ts";

const NOW = "2026-11-24T06:00:00.000Z";
const { sealingKey } = agentSecurity();
const INPUTS = {
  env: [{ name: "TOKEN", value: "correct-horse" }],
  stdin: { value: "battery-staple" },
};

let ledger: Ledger;
beforeEach(() => {
  ledger = Ledger.open(":memory:", randomUUID);
});
afterEach(() => ledger.close());

function take(taken: Command): Promise<string> {
  const runID = randomUUID();
  const taking = { command: taken, runID, at: NOW, rejection: undefined };
  return ledger.commit((tables) => {
    takeCommand(tables, taking);
    return runID;
  });
}

function openRun(runID: string): OpenRun {
  const run = ledger.read.openRun(runID);
  if (run === undefined) throw new Error("the run is over");
  return run;
}

function opened(runID: string, key = sealingKey): ReturnType<typeof openedRun> {
  return openedRun(openRun(runID), ledger.read.sealed(runID), key);
}

test("a run without secrets is what it is", async () => {
  const runID = await take(command());
  expect(opened(runID)).toEqual(openRun(runID));
});

test("a run with secrets has them in its work, and only once it is opened", async () => {
  const work = { env: [{ name: "LANG", value: "C" }] };
  const runID = await take(withSealed(command({ work }), INPUTS));
  const run = opened(runID);
  expect(run).toMatchObject({
    work: { env: [{ name: "LANG", value: "C" }, ...INPUTS.env], stdin: "battery-staple" },
  });
  expect(JSON.stringify(openRun(runID))).not.toMatch(/correct|battery/);
});

test("stdin that is none of secrets stays", async () => {
  const runID = await take(withSealed(command({ work: { stdin: "plain" } }), { env: INPUTS.env }));
  expect(opened(runID)).toMatchObject({ work: { stdin: "plain" } });
});

test("what is sent again with other secrets changes nothing of what was accepted first", async () => {
  const runID = await take(withSealed(command(), INPUTS));
  await take(withSealed(command({ generation: 2 }), { stdin: { value: "another" } }));
  expect(opened(runID)).toMatchObject({ work: { stdin: "battery-staple" } });
});

test("a run that is given to another resource opens as before", async () => {
  const first = command();
  const runID = await take(withSealed(first, INPUTS));
  const uid = randomUUID();
  await take(
    withSealed(command({ uid, takesOver: first.uid, epoch: 1 }), { stdin: { value: "another" } }),
  );
  expect(ledger.read.report(runID)).toMatchObject({ uid, adopted: true });
  expect(opened(runID)).toMatchObject({ work: { stdin: "battery-staple" } });
});

describe("secrets do not open", () => {
  test.each<[string, (sent: Command) => string]>([
    [
      "if they were sealed to another key",
      (sent) => {
        const { publicKey } = newSealingKey();
        return seal(Buffer.from(JSON.stringify(INPUTS)), publicKey, sealingContext(sent));
      },
    ],
    [
      "if they were sealed for another resource",
      (sent) => {
        const other = { ...sent, uid: randomUUID() };
        return withSealed(other, INPUTS).sealed ?? "";
      },
    ],
    [
      "if they were sealed for another revision",
      (sent) => {
        return withSealed({ ...sent, revision: revision("z") }, INPUTS).sealed ?? "";
      },
    ],
    [
      "if the box is cut short",
      (sent) => {
        return (withSealed(sent, INPUTS).sealed ?? "").slice(0, 40);
      },
    ],
    [
      "if there is something else in the box",
      (sent) => {
        const other = Buffer.from('{"env":"correct-horse"}');
        return seal(other, sealingKey.publicKey, sealingContext(sent));
      },
    ],
  ])("%s", async (_, sealedOf) => {
    const sent = command();
    const runID = await take({ ...sent, sealed: sealedOf(sent) });
    expect(opened(runID)).toBe("unreadable");
  });

  test("and the run is rejected, unless an attempt of it was made before", () => {
    expect(unreadableEnd({ lastEnd: undefined })).toMatchObject({
      outcome: "Rejected",
      started: "False",
      reason: "SealedInputsUnreadable",
    });
    const lastEnd = {
      outcome: "Failed",
      started: "True",
      exitCode: 7,
      finishedAt: NOW,
      reason: "NonZeroExit",
      message: "It exited with 7.",
    } as const;
    expect(unreadableEnd({ lastEnd })).toMatchObject({ outcome: "Failed", exitCode: 7 });
  });
});

describe("the secrets of a run go", () => {
  const result = { outcome: "Failed", started: "True", finishedAt: NOW, reason: "R", message: "" };

  test.each<[string, (tables: LedgerTables, runID: string) => void]>([
    [
      "when it is finished",
      (tables, runID) => {
        tables.finish(runID, { ...result, outcome: "Failed", started: "True" });
      },
    ],
    [
      "when it is withdrawn while it waits",
      (tables, runID) => {
        tables.withdraw(runID, REPLACED, NOW);
      },
    ],
    [
      "when a later revision takes its place",
      (tables) => {
        const later = command({ generation: 2, declared: 2, revision: revision("b") });
        takeCommand(tables, { command: later, runID: randomUUID(), at: NOW, rejection: undefined });
      },
    ],
  ])("%s", async (_, end) => {
    const runID = await take(withSealed(command(), INPUTS));
    expect(ledger.read.sealed(runID)).toBeDefined();
    await ledger.commit((tables) => end(tables, runID));
    expect(ledger.read.sealed(runID)).toBeUndefined();
  });

  test("and not before it may be retried", async () => {
    const runID = await take(withSealed(command(), INPUTS));
    await ledger.commit((tables) => {
      tables.markStarting(runID, { bootID: randomUUID(), startingAt: 0 });
      tables.awaitRetry(runID, { ...result, outcome: "Failed", started: "True" }, NOW);
    });
    expect(opened(runID)).toMatchObject({ work: { stdin: "battery-staple" } });
  });

  test("and of a command that the node rejects none are kept", async () => {
    const runID = randomUUID();
    const rejection = { ...result, outcome: "Rejected", started: "False" } as const;
    const taken = withSealed(command(), INPUTS);
    await ledger.commit((tables) => {
      takeCommand(tables, { command: taken, runID, at: NOW, rejection });
    });
    expect(ledger.read.sealed(runID)).toBeUndefined();
  });
});
