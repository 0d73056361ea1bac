import { randomUUID } from "node:crypto";
import * as fc from "fast-check";
import { expect, test } from "vitest";

import type { EdgeCommand, EdgeCommandSpec } from "../../../../src/api/v1alpha1/edgecommand.ts";
import { isFirm } from "../../../../src/controller/edgecommand/run.ts";
import { timestampOf } from "../../../../src/runtime/clock.ts";
import { edgeCommand, SESSION_ID } from "../../../support/builders.ts";
import { LedgerNode } from "./ledger-node.ts";
import { edited } from "./planning.ts";
import { KEY, ReconcilerWorld } from "./reconciler-world.ts";

/**
 * The controller's own reconciler against the agent's own table, with everything lost that may be: messages,
 * answers, controllers, ledgers, the watch. No clock jumps and no etcd is restored here.
 */
const edits: fc.Arbitrary<Partial<EdgeCommandSpec>> = fc.oneof(
  fc.record({ args: fc.constantFrom("a", "b").map((arg) => [arg]) }),
  fc.record({ rerun: fc.constantFrom("", "1", "2", "3") }),
  fc.record({ cancel: fc.boolean() }),
  fc.record({ suspend: fc.boolean() }),
  fc.record({ offlinePolicy: fc.constantFrom("Wait", "Skip", "Fail") }),
  fc.record({ timeout: fc.constantFrom("1s", "1m") }),
  fc.record({ startDeadline: fc.constantFrom("10s", "1h") }),
);

type Step =
  | { readonly kind: "edit"; readonly spec: Partial<EdgeCommandSpec> }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: (typeof PLAIN)[number] };

const PLAIN = [
  "pass",
  "pass",
  "start",
  "finish",
  "results",
  "hello",
  "nodeLeaves",
  "nodeComesBack",
  "nodeComesBack",
  "nodeRestarts",
  "ledgerIsLost",
  "messageIsLost",
  "answerIsLost",
  "controllerRestarts",
  "watchStops",
  "watchCatchesUp",
] as const;

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("edit" as const), spec: edits }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      ms: fc.constantFrom(100, 1_000, 10_000, 200_000),
    }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constantFrom(...PLAIN) }) },
);

class Walk implements Disposable {
  readonly #world = new ReconcilerWorld();
  readonly #node = new LedgerNode(() => this.#world.clock.now());
  /** As the user has it, whatever the cache of the controller has. */
  #declared: EdgeCommand;
  /** Which what is declared at which generation, counted from 0. */
  readonly #whats = new Map<number, number>([[1, 0]]);
  #rerun: string;
  /** The status as etcd has it. */
  #stored: EdgeCommand["status"];
  #awaySince: number | undefined;
  #sessionID = SESSION_ID;
  #ledgerSince: string | undefined;
  #nextIsLost: "message" | "answer" | undefined;
  /** Whats that were said never to have started. */
  readonly #neverStarted = new Set<number>();

  constructor(spec: Partial<EdgeCommandSpec>) {
    this.#declared = edgeCommand({ spec: { args: ["a"], ...spec } });
    this.#rerun = this.#declared.spec.rerun;
    this.#stored = this.#declared.status;
    this.#world.commands.put(this.#declared);
    const update = this.#world.commands.updateStatus.bind(this.#world.commands);
    this.#world.commands.updateStatus = async (object, status) => {
      const written = await update(object, status);
      this.#stored = written.status;
      return written;
    };
    this.#world.answer = (received) => {
      const lost = this.#nextIsLost;
      this.#nextIsLost = undefined;
      if (lost === "message" || this.#awaySince !== undefined) return undefined;
      const ack = this.#node.take(received);
      return lost === "answer" ? undefined : ack;
    };
    this.#show();
  }

  [Symbol.dispose](): void {
    this.#node[Symbol.dispose]();
  }

  async do(step: Step): Promise<void> {
    if (step.kind === "edit") this.#edit(step.spec);
    else if (step.kind === "wait") await this.#world.clock.advance(step.ms);
    else await this.#plain[step.kind]();
    this.#check();
  }

  readonly #plain: Readonly<Record<(typeof PLAIN)[number], () => void | Promise<void>>> = {
    pass: () => this.#pass(),
    start: () => {
      this.#node.start();
    },
    finish: () => {
      this.#node.finish("Succeeded");
    },
    results: () => this.#results(),
    hello: () => {
      this.#world.exchanges.hurry(KEY);
    },
    nodeLeaves: () => {
      this.#awaySince ??= this.#world.clock.monotonic();
    },
    nodeComesBack: () => {
      this.#comeBack();
    },
    nodeRestarts: () => {
      this.#sessionID = randomUUID();
      this.#comeBack();
    },
    ledgerIsLost: () => {
      this.#loseLedger();
    },
    messageIsLost: () => {
      this.#nextIsLost = "message";
    },
    answerIsLost: () => {
      this.#nextIsLost = "answer";
    },
    controllerRestarts: () => {
      this.#world.restart();
    },
    watchStops: () => {
      this.#world.commands.watching = false;
    },
    watchCatchesUp: () => this.#catchUp(),
  };

  #edit(spec: Partial<EdgeCommandSpec>): void {
    const before = this.#declared;
    const { generation } = before.metadata;
    this.#declared = edited(before, spec);
    const { args, rerun } = this.#declared.spec;
    const isSame =
      args.join() === before.spec.args.join() && (rerun === "" || rerun === this.#rerun);
    if (!isSame) this.#rerun = rerun;
    const what = this.#whats.get(generation) ?? 0;
    this.#whats.set(generation + 1, isSame ? what : what + 1);
    this.#world.commands.put({ ...this.#declared, status: this.#stored });
  }

  /** A pass that fails is tried again by the work queue. */
  async #pass(): Promise<void> {
    this.#show();
    await this.#world.pass().catch(() => undefined);
  }

  async #results(): Promise<void> {
    if (this.#awaySince !== undefined) return;
    for (const report of this.#node.results()) {
      this.#world.receipts.length = 0;
      this.#world.report(report);
      await this.#pass();
      const receipt = this.#world.receipts.find((each) => each.receipt === "stored");
      if (receipt !== undefined) this.#node.receipted(report);
    }
  }

  #comeBack(): void {
    this.#awaySince = undefined;
    this.#show();
    this.#world.exchanges.hurry(KEY);
  }

  #loseLedger(): void {
    this.#node.loseLedger();
    this.#sessionID = randomUUID();
    this.#ledgerSince = timestampOf(this.#world.clock.now());
    this.#comeBack();
  }

  async #catchUp(): Promise<void> {
    const { namespace, name } = this.#declared.metadata;
    this.#world.commands.watching = true;
    await this.#world.commands.getLive(namespace, name);
  }

  #show(): void {
    const since = this.#awaySince;
    const ledger = this.#ledgerSince === undefined ? {} : { ledgerSince: this.#ledgerSince };
    this.#world.silentMs = since === undefined ? 0 : this.#world.clock.monotonic() - since;
    this.#world.node =
      since === undefined
        ? { kind: "present", sessionID: this.#sessionID, ...ledger }
        : { kind: "away", message: "Nothing is heard." };
  }

  #check(): void {
    const whats = this.#node.started.map(({ madeAt }) => this.#whats.get(madeAt) ?? 0);
    expect(new Set(whats).size, "a what starts at most once").toBe(whats.length);
    const { status } = this.#world.commands.get(KEY) ?? this.#declared;
    const { run } = status;
    expect(run?.nodeRow, "no cluster went back in time").toBeUndefined();
    if (run?.started === "False") this.#neverStarted.add(this.#whats.get(run.declared) ?? 0);
    for (const what of this.#neverStarted) {
      expect(whats, "what never started never starts").not.toContain(what);
    }
    const isSaid = run?.started === "True" && run.outcome !== undefined;
    if (isSaid) {
      expect(this.#node.started.map(({ runID }) => runID)).toContain(run.runID);
    }
  }

  /** From here on nothing is lost: what is declared comes to an end that is firm, or cannot be known. */
  async heal(): Promise<void> {
    this.#nextIsLost = undefined;
    await this.#catchUp();
    this.#edit({ suspend: false });
    this.#comeBack();
    for (let i = 0; i < 12; i += 1) {
      this.#world.exchanges.hurry(KEY);
      await this.#pass();
      await this.#pass();
      this.#node.start();
      this.#node.finish("Failed");
      await this.#results();
      await this.#world.clock.advance(61_000);
      this.#check();
    }
    const { status } = this.#world.commands.get(KEY) ?? this.#declared;
    expect(status.run?.outcome, JSON.stringify(status)).toBeDefined();
    // Nobody can say any more what the ledger that was lost has had.
    const isLost = (status.run?.requestedAt ?? "") <= (this.#ledgerSince ?? "");
    expect(isFirm(status.run) || isLost, JSON.stringify(status)).toBe(true);
    expect(status.observedGeneration).toBe(this.#declared.metadata.generation);
    expect(this.#node.results()).toEqual([]);
  }
}

test("nothing starts twice or after it was said not to, and everything comes to an end", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        offlinePolicy: fc.constantFrom("Wait", "Skip"),
        rerun: fc.constantFrom("", "1"),
        cancel: fc.constantFrom(false, false, false, true),
      }),
      fc.array(steps, { minLength: 1, maxLength: 50, size: "max" }),
      async (spec, sequence) => {
        using walk = new Walk(spec);
        for (const step of sequence) await walk.do(step);
        await walk.heal();
      },
    ),
    { numRuns: 100 },
  );
}, 60_000);
