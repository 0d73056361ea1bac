import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";

import { openLedgerFile } from "../../../../src/agent/ledger-file.ts";
import { LedgerTables } from "../../../../src/agent/ledger-tables.ts";
import { takeCommand, takeWithdrawal } from "../../../../src/agent/take-command.ts";
import type { Ack } from "../../../../src/protocol/ack.ts";
import type { Command } from "../../../../src/protocol/command.ts";
import type { RunReport } from "../../../../src/protocol/run.ts";
import type { Withdrawal } from "../../../../src/protocol/withdrawal.ts";
import { timestampOf } from "../../../../src/runtime/clock.ts";
import { runResult } from "../../../support/builders.ts";

/** A run that really started, in a ledger or in one that is lost by now. */
export interface Started {
  readonly runID: string;
  /** The generation of the message that made the run. */
  readonly madeAt: number;
}

/**
 * A node that decides by the agent's own tables and runs what they accept, one step at a time; beside them it
 * remembers what really started, which no loss of a ledger takes from it.
 */
export class LedgerNode implements Disposable {
  readonly started: Started[] = [];
  readonly #now: () => number;
  readonly #madeAt = new Map<string, number>();
  readonly #startBy = new Map<string, number>();
  #db: DatabaseSync;
  #tables: LedgerTables;

  constructor(now: () => number) {
    this.#now = now;
    this.#db = openLedgerFile(":memory:", randomUUID);
    this.#tables = new LedgerTables(this.#db);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  loseLedger(): void {
    this.#db.close();
    this.#db = openLedgerFile(":memory:", randomUUID);
    this.#tables = new LedgerTables(this.#db);
  }

  take(received: Command | Withdrawal): Ack {
    const runID = randomUUID();
    const at = timestampOf(this.#now());
    const ack = this.#decide(received, runID, at);
    if (ack.answer === "accepted" && "generation" in received) {
      this.#madeAt.set(runID, received.generation);
    }
    const startBy = "terms" in received ? received.terms.startBy : undefined;
    if (ack.answer === "accepted" && startBy !== undefined) {
      this.#startBy.set(runID, Date.parse(startBy));
    }
    return ack;
  }

  #decide(received: Command | Withdrawal, runID: string, at: string): Ack {
    if ("work" in received) {
      return takeCommand(this.#tables, { command: received, runID, at, rejection: undefined }).ack;
    }
    if (received.scope !== "run") throw new TypeError("the resource is there");
    return takeWithdrawal(this.#tables, { withdrawal: received, runID, at }).ack;
  }

  /** Starts the one that waits, if nothing else is under way. */
  start(): void {
    const open = this.#tables.openRuns();
    const waiting = open.find(({ state }) => state === "Accepted");
    if (waiting === undefined || open.some(({ state }) => state !== "Accepted")) return;
    const { runID } = waiting;
    const startBy = this.#startBy.get(runID);
    if (startBy !== undefined && startBy < this.#now()) {
      const expired = { outcome: "Expired", started: "False" } as const;
      this.#tables.finish(runID, this.#result(expired));
      return;
    }
    this.started.push({ runID, madeAt: this.#madeAt.get(runID) ?? 0 });
    this.#tables.markStarting(runID, { bootID: randomUUID(), startingAt: this.#now() });
    this.#tables.markRunning(runID, timestampOf(this.#now()));
  }

  /** Ends the one that is under way: as somebody wanted, or else by itself. */
  finish(outcome: "Succeeded" | "Failed"): void {
    const running = this.#tables.openRuns().find(({ state }) => state !== "Accepted");
    if (running === undefined) return;
    const how = running.ending === undefined ? outcome : "Cancelled";
    this.#tables.finish(running.runID, this.#result({ outcome: how, started: "True" }));
  }

  /** What it has no receipt for. */
  results(): RunReport[] {
    return this.#tables.resultsWithoutReceipt().map((runID) => this.#tables.report(runID));
  }

  receipted({ runID, uid, generation }: RunReport): void {
    this.#tables.markReceipted({ runID, uid, generation });
  }

  #result(overrides: Parameters<typeof runResult>[0]): ReturnType<typeof runResult> {
    return runResult({ ...overrides, finishedAt: timestampOf(this.#now()) });
  }
}
