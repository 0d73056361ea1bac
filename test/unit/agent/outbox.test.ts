import { randomUUID } from "node:crypto";
import { afterEach, expect, test } from "vitest";
import { Ledger } from "../../../src/agent/ledger.ts";
import { Outbox } from "../../../src/agent/outbox.ts";
import type { RequestOutcome } from "../../../src/protocol/bus.ts";
import { UntrustedReports } from "../../../src/agent/untrusted-reports.ts";
import { decodeMessage, encodeReply } from "../../../src/protocol/envelope.ts";
import {
  receiptMessage,
  resultMessage,
  type Receipt,
  type Result,
} from "../../../src/protocol/result.ts";
import { ErrorKernel, type ProcessError } from "../../../src/runtime/errorkernel.ts";
import { agentSecurity, TRUST_IN_NODE } from "../../support/agent-security.ts";
import { CONTROLLER_SIGNERS, NODE_SIGNERS } from "../../support/test-keys.ts";
import { CLUSTER_ID, command } from "./controller-side.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { settle } from "./settle.ts";
import { ScriptedBus, type SentRequest } from "./scripted-bus.ts";

const NOW = "2026-11-24T06:00:00.000Z";
const NEW_UID = "bbbbbbbb-0000-4000-8000-000000000002";

class World {
  readonly bus = new ScriptedBus();
  readonly clock = new FakeClock();
  readonly logger = new RecordingLogger();
  readonly ledger = Ledger.open(":memory:", randomUUID);
  readonly reports: ProcessError[] = [];
  readonly kernel = new ErrorKernel({
    logger: this.logger,
    onReport: (report) => this.reports.push(report),
    onShutdown: () => undefined,
  });
  readonly outbox = new Outbox({
    node: "ship1",
    bus: this.bus,
    clock: this.clock,
    random: () => 1,
    logger: this.logger,
    kernel: this.kernel,
    security: agentSecurity(),
    untrusted: new UntrustedReports({ clock: this.clock, kernel: this.kernel }),
    ledger: this.ledger,
  });
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  /** The cluster is known. */
  async start(): Promise<void> {
    await this.ledger.pinCluster(CLUSTER_ID);
    this.#running = this.outbox.run(this.#stop.signal);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.ledger.close();
  }

  /** A run that has a result. */
  async finished(name: string): Promise<string> {
    const runID = randomUUID();
    await this.ledger.commit((tables) => {
      tables.insertRun(runID, command({ name }), NOW);
      tables.setCurrent(runID, undefined);
      tables.finish(runID, {
        outcome: "Succeeded",
        started: "True",
        finishedAt: NOW,
        reason: "Completed",
        message: "",
      });
    });
    return runID;
  }

  sent(index: number): Result {
    return decodeMessage(resultMessage, this.#request(index).data, TRUST_IN_NODE);
  }

  async answer(index: number, outcome: RequestOutcome): Promise<void> {
    this.#request(index).answer(outcome);
    await settle();
  }

  /** `to`: the request that it says it answers, if not the one that it does. */
  async receipt(
    index: number,
    receipt: Receipt,
    { to = index, signers = CONTROLLER_SIGNERS } = {},
  ): Promise<void> {
    const request = this.#request(to).data;
    const data = encodeReply(receiptMessage, receipt, { request, signers });
    await this.answer(index, { kind: "reply", data });
  }

  #request(index: number): SentRequest {
    const request = this.bus.requests[index];
    if (request === undefined) throw new Error(`there is no request ${index}`);
    return request;
  }
}

let world = new World();
afterEach(async () => {
  await world.end();
  world = new World();
});

test.each(["stored", "orphaned"] as const)(
  "a result with the receipt %s is never sent again",
  async (receipt) => {
    const runID = await world.finished("task");
    await world.start();
    await settle();
    expect(world.bus.requests.map(({ subject }) => subject)).toEqual(["ship1.event.result"]);
    expect(world.sent(0)).toMatchObject({
      runID,
      node: "ship1",
      clusterID: CLUSTER_ID,
      state: "Finished",
    });
    await world.receipt(0, { receipt, runID });
    world.outbox.sendAll();
    world.outbox.due(runID);
    await world.clock.advance(3_600_000);
    expect(world.bus.requests).toHaveLength(1);
    expect(world.ledger.read.helloRuns().runsWithoutReceipt).toBe(0);
  },
);

test("without a receipt it is sent again after 1 s, 2 s, and so on up to 30 s", async () => {
  await world.finished("task");
  await world.start();
  await settle();
  const pauses = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
  for (const [tried, pause] of pauses.entries()) {
    await world.answer(tried, { kind: tried % 2 === 0 ? "noResponders" : "timeout" });
    await world.clock.advance(pause - 1);
    expect(world.bus.requests).toHaveLength(tried + 1);
    await world.clock.advance(1);
    expect(world.bus.requests).toHaveLength(tried + 2);
  }
});

test("a receipt for another run, or none that can be read, is none", async () => {
  const runID = await world.finished("task");
  await world.start();
  await settle();
  await world.receipt(0, { receipt: "stored", runID: randomUUID() });
  await world.clock.advance(1_000);
  await world.answer(1, { kind: "reply", data: new TextEncoder().encode("stored") });
  await world.clock.advance(2_000);
  expect(world.bus.requests).toHaveLength(3);
  expect(world.ledger.read.owesResult(runID)).toBe(true);
});

test("a receipt that no trusted controller has signed is none, and is reported", async () => {
  const runID = await world.finished("task");
  await world.start();
  await settle();
  await world.receipt(0, { receipt: "stored", runID }, { signers: NODE_SIGNERS });
  await world.clock.advance(1_000);
  await world.receipt(1, { receipt: "stored", runID }, { signers: [] });
  expect(world.ledger.read.owesResult(runID)).toBe(true);
  expect(world.reports).toMatchObject([{ process: "outbox", severity: "warning" }]);
});

test("a receipt that answers another request is none", async () => {
  const first = await world.finished("first");
  const second = await world.finished("second");
  await world.start();
  await settle();
  const runIDs = [world.sent(0).runID, world.sent(1).runID];
  expect(new Set(runIDs)).toEqual(new Set([first, second]));
  await world.receipt(1, { receipt: "stored", runID: world.sent(1).runID }, { to: 0 });
  expect(world.ledger.read.owesResult(world.sent(1).runID)).toBe(true);
  await world.receipt(0, { receipt: "stored", runID: world.sent(0).runID });
  expect(world.ledger.read.owesResult(world.sent(0).runID)).toBe(false);
});

test("everything owed is sent at once on a new connection and when the controller is heard of", async () => {
  await world.finished("task");
  await world.start();
  await settle();
  await world.answer(0, { kind: "disconnected" });
  world.bus.setConnected(true);
  await settle();
  expect(world.bus.requests).toHaveLength(2);
  await world.answer(1, { kind: "noResponders" });
  world.outbox.sendAll();
  await settle();
  expect(world.bus.requests).toHaveLength(3);
});

test("a result that the controller refuses is logged once and tried again slowly", async () => {
  const runID = await world.finished("task");
  await world.start();
  await settle();
  await world.receipt(0, { receipt: "refused", message: "malformed" });
  world.outbox.sendAll();
  await world.clock.advance(599_999);
  expect(world.bus.requests).toHaveLength(1);
  await world.clock.advance(1);
  await world.receipt(1, { receipt: "refused", message: "malformed" });
  const errors = world.logger.lines.filter(({ level }) => level === "error");
  expect(errors).toHaveLength(1);
  expect(errors[0]?.fields).toEqual({ runID });
});

test("at most 16 results wait for their receipts at the same time", async () => {
  for (let index = 0; index < 40; index += 1) await world.finished(`task-${index}`);
  await world.start();
  await settle();
  expect(world.bus.requests).toHaveLength(16);
  await world.receipt(0, { receipt: "stored", runID: world.sent(0).runID });
  expect(world.bus.requests).toHaveLength(17);
});

test("a receipt given to a resource that was created again meanwhile does not settle the new one", async () => {
  const runID = await world.finished("task");
  await world.start();
  await settle();
  await world.ledger.commit((tables) => tables.adopt(runID, command({ uid: NEW_UID })));
  await world.receipt(0, { receipt: "orphaned", runID });
  expect(world.bus.requests).toHaveLength(2);
  expect(world.sent(1)).toMatchObject({ runID, uid: NEW_UID, adopted: true });
});
