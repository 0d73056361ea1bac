import { describe, expect, test } from "vitest";

import type { EdgeCommand } from "../../../src/api/v1alpha1/edgecommand.ts";
import type { EdgeNode } from "../../../src/api/v1alpha1/edgenode.ts";
import { Controller } from "../../../src/controller/controller.ts";
import type { EventClaim } from "../../../src/controller/ports.ts";
import { ackMessage, type Ack } from "../../../src/protocol/ack.ts";
import { commandMessage, type Command } from "../../../src/protocol/command.ts";
import { decodeMessage, encodeMessage } from "../../../src/protocol/envelope.ts";
import { errorEventMessage } from "../../../src/protocol/error-event.ts";
import { helloMessage, helloReplyMessage, type Hello } from "../../../src/protocol/hello.ts";
import { receiptMessage, resultMessage, type Receipt } from "../../../src/protocol/result.ts";
import type { RunReport } from "../../../src/protocol/run.ts";
import {
  commandsOfNode,
  CONTROLLER_INBOX,
  eventSubject,
  nodeInbox,
} from "../../../src/protocol/subjects.ts";
import {
  edgeCommand,
  OTHER_UID,
  runReport,
  runResult,
  SESSION_ID,
} from "../../support/builders.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { FakeStore, fakeStoreErrors } from "../../support/fake-store.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { MemoryBroker } from "../agent/memory-bus.ts";

const CLUSTER_ID = "c1c1c1c1-0000-4000-8000-000000000001";
const LEDGER_ID = "1edce11d-0000-4000-8000-000000000001";
const GRACE_MS = 100_000;
const KEY = "default/uptime";

/** A controller over fakes of its own ports, and a node that says what a test wants it to say. */
class World {
  readonly clock = new FakeClock(Date.parse("2026-11-24T06:00:00.250Z"));
  readonly broker = new MemoryBroker();
  readonly bus = this.broker.connect(CONTROLLER_INBOX);
  readonly ship = this.broker.connect(nodeInbox("ship1"));
  readonly events: EventClaim[] = [];
  readonly logger = new RecordingLogger();
  readonly commands: FakeStore<EdgeCommand> = new FakeStore("EdgeCommand", (object, deleted) => {
    this.controller.commandChanged(object, deleted);
  });
  readonly nodes: FakeStore<EdgeNode> = new FakeStore("EdgeNode", (object, deleted) => {
    this.controller.nodeChanged(object, deleted);
  });
  readonly controller = new Controller({
    commands: this.commands,
    nodes: this.nodes,
    errors: fakeStoreErrors,
    bus: this.bus,
    events: { record: (_, event) => this.events.push(event) },
    registerNodes: true,
    nodeGracePeriodMs: GRACE_MS,
    clock: this.clock,
    random: () => 1,
    logger: this.logger,
  });
  readonly received: Command[] = [];
  readonly #stop = new AbortController();
  helloRequests = 0;

  async start(): Promise<this> {
    void this.controller.run(this.#stop.signal, CLUSTER_ID);
    await settle();
    return this;
  }

  async hello(overrides: Partial<Hello> = {}): Promise<unknown> {
    const hello: Hello = {
      namespace: "default",
      sessionID: SESSION_ID,
      bootID: OTHER_UID,
      ledgerID: LEDGER_ID,
      agentVersion: "0.1.0",
      protocol: { min: 1, max: 1 },
      methods: ["shellcommand"],
      facts: { os: "linux", arch: "x64", kernel: "6", hostname: "h" },
      runs: [],
      runsWithoutReceipt: 0,
      ...overrides,
    };
    const reply = await this.#ask(
      eventSubject("ship1", "hello"),
      encodeMessage(helloMessage, hello),
    );
    await settle();
    return reply && decodeMessage(helloReplyMessage, reply);
  }

  async result(report: RunReport, clusterID = CLUSTER_ID): Promise<Receipt | undefined> {
    const { result = runResult() } = report;
    const message = { ...report, clusterID, state: "Finished" as const, result };
    const data = encodeMessage(resultMessage, message);
    const reply = await this.#ask(eventSubject("ship1", "result"), data);
    await settle();
    return reply && decodeMessage(receiptMessage, reply);
  }

  /** The node answers every command with `answer`, and counts the requests for a hello. */
  answer(answer: (command: Command) => Ack): void {
    this.ship.subscribe(commandsOfNode("ship1"), (message) => {
      if (message.subject.endsWith(".hello")) {
        this.helloRequests += 1;
        return;
      }
      const command = decodeMessage(commandMessage, message.data);
      this.received.push(command);
      message.respond(encodeMessage(ackMessage, answer(command)));
    });
  }

  status(): EdgeCommand["status"] | undefined {
    return this.commands.get(KEY)?.status;
  }

  /** Undefined if nobody answered by the time that everything that follows at once has happened. */
  async #ask(subject: string, data: Uint8Array): Promise<Uint8Array | undefined> {
    const cancel = new AbortController();
    const asked = this.ship.request(subject, data, { timeoutMs: 60_000, signal: cancel.signal });
    await settle();
    await settle();
    cancel.abort();
    const outcome = await asked;
    return outcome.kind === "reply" ? outcome.data : undefined;
  }
}

const accepting = (command: Command): Ack => ({
  answer: "accepted",
  run: { ...runReport(edgeCommand({ uid: command.uid }), { state: "Accepted" }) },
});

test("a new command that ends at once costs exactly one status write", async () => {
  const world = await new World().start();
  world.answer(accepting);
  await world.hello();
  world.commands.put(edgeCommand());
  await world.clock.advance(10);
  expect(world.received).toHaveLength(1);
  expect(await world.result(runReport(edgeCommand()))).toMatchObject({ receipt: "stored" });
  await world.clock.advance(3_600_000);
  expect(world.status()).toMatchObject({ phase: "Succeeded" });
  expect(world.commands.writes).toBe(1);
  expect(world.received).toHaveLength(1);
});

test("a receipt is given only after the status is in etcd", async () => {
  const world = await new World().start();
  await world.hello();
  world.commands.put(edgeCommand());
  await settle();
  const before = world.commands.writes;
  world.commands.updateStatus = () => Promise.reject(new Error("the API server is away"));
  expect(await world.result(runReport(edgeCommand()))).toBeUndefined();
  expect(world.commands.writes).toBe(before);
});

describe("results that belong elsewhere", () => {
  test("of a resource that is gone are orphaned, by a live read", async () => {
    const world = await new World().start();
    await world.hello();
    expect(await world.result(runReport(edgeCommand()))).toMatchObject({ receipt: "orphaned" });
  });

  test("of another cluster on the same broker get no answer", async () => {
    const world = await new World().start();
    await world.hello();
    expect(await world.result(runReport(edgeCommand()), OTHER_UID)).toBeUndefined();
  });

  test("of another node's command are refused", async () => {
    const world = await new World().start();
    await world.hello();
    world.commands.put(edgeCommand({ spec: { nodeName: "ship2" } }));
    expect(await world.result(runReport(edgeCommand()))).toMatchObject({ receipt: "refused" });
    expect(world.status()?.run?.outcome).toBeUndefined();
  });

  test("of an earlier uid do not make the API server busy while the watch is silent", async () => {
    const world = await new World().start();
    await world.hello();
    world.commands.put(edgeCommand());
    await settle();
    world.commands.watching = false;
    world.commands.delete(KEY);
    world.commands.put(edgeCommand({ uid: OTHER_UID }));
    world.commands.calls = 0;
    await world.result(runReport(edgeCommand()));
    await world.clock.advance(10_000);
    expect(world.commands.calls).toBeLessThan(40);
  });
});

describe("hellos", () => {
  test("of a node of another cluster are left to its own controller", async () => {
    const world = await new World().start();
    expect(await world.hello({ clusterID: OTHER_UID })).toBeUndefined();
    expect(world.nodes.get("default/ship1")).toBeUndefined();
  });

  test("register the node, tell the time, and cost no further write while nothing changes", async () => {
    const world = await new World().start();
    expect(await world.hello()).toMatchObject({ accepted: true, clusterID: CLUSTER_ID });
    expect(world.nodes.get("default/ship1")?.status).toMatchObject({ ledgerID: LEDGER_ID });
    const { writes } = world.nodes;
    for (let i = 0; i < 20; i += 1) {
      await world.clock.advance(30_000);
      await world.hello();
    }
    expect(world.nodes.writes).toBe(writes);
  });

  test("from another namespace than the owner's are refused", async () => {
    const world = await new World().start();
    await world.hello();
    expect(await world.hello({ namespace: "other" })).toMatchObject({ reason: "NameConflict" });
  });

  test("are asked for no more often than every five seconds, whatever the nodes answer", async () => {
    const world = await new World().start();
    world.answer(() => ({ answer: "refused", reason: "WrongSession", message: "another session" }));
    await world.hello();
    world.commands.put(edgeCommand());
    await world.clock.advance(20_000);
    expect(world.helloRequests).toBeLessThanOrEqual(5);
    expect(world.received.length).toBeLessThan(12);
  });

  test("that do not come make the node away, and its commands wait", async () => {
    const world = await new World().start();
    await world.hello();
    await world.clock.advance(GRACE_MS + 1);
    world.commands.put(edgeCommand());
    await settle();
    expect(world.status()).toMatchObject({ phase: "WaitingForNode", run: { reason: "NodeAway" } });
  });

  test("that cannot come, for the broker is away, say nothing about the nodes", async () => {
    const world = await new World().start();
    world.answer(accepting);
    await world.hello();
    const { writes } = world.nodes;
    world.bus.setConnected(false);
    world.commands.put(edgeCommand());
    await world.clock.advance(10 * GRACE_MS);
    expect(world.nodes.writes).toBe(writes);
    expect(world.status()).toMatchObject({ phase: "Sent", run: { reason: "BrokerUnavailable" } });
    world.bus.setConnected(true);
    await world.clock.advance(GRACE_MS - 1);
    expect(world.nodes.writes).toBe(writes);
    await world.clock.advance(2);
    expect(world.nodes.writes).toBe(writes + 1);
  });
});

test("a controller that could not start works when it is started again", async () => {
  const world = new World();
  const subscribe = world.bus.subscribe.bind(world.bus);
  world.bus.subscribe = () => {
    throw new Error("injected");
  };
  const run = world.controller.run(new AbortController().signal, CLUSTER_ID);
  await expect(run).rejects.toThrow("injected");
  world.bus.subscribe = subscribe;
  await world.start();
  world.answer(accepting);
  await world.hello();
  world.commands.put(edgeCommand());
  await world.clock.advance(10);
  expect(world.received).toHaveLength(1);
});

test("a node whose name cannot be one stops nobody", async () => {
  const world = new World();
  await world.nodes.create({ metadata: { namespace: "default", name: "ship.1" } });
  world.commands.put(edgeCommand());
  await world.start();
  world.answer(accepting);
  await world.hello();
  await world.clock.advance(10);
  expect(world.received).toHaveLength(1);
});

test("a resource that no message can be made of stops nobody", async () => {
  const world = await new World().start();
  world.answer(accepting);
  await world.hello();
  const odd = edgeCommand();
  world.commands.put({ ...odd, spec: { ...odd.spec, timeout: "5 minutes" } });
  await world.clock.advance(60_000);
  expect(world.received).toEqual([]);
  expect(world.status()?.conditions).toContainEqual(
    expect.objectContaining({ type: "Stalled", reason: "InvalidSpec" }),
  );
});

test("an agent's own error is an Event and makes its node Degraded for a while", async () => {
  const world = await new World().start();
  await world.hello();
  const error = {
    namespace: "default",
    process: "method/exec",
    severity: "error",
    message: "no fork",
  } as const;
  for (let i = 0; i < 10; i += 1) {
    world.ship.publish(eventSubject("ship1", "error"), encodeMessage(errorEventMessage, error));
  }
  await settle();
  const degraded = (): unknown =>
    world.nodes.get("default/ship1")?.status.conditions?.find(({ type }) => type === "Degraded");
  expect(degraded()).toMatchObject({ status: "True", message: "method/exec: no fork" });
  expect(world.events).toContainEqual(expect.objectContaining({ reason: "AgentError" }));
  for (let i = 0; i < 21; i += 1) {
    await world.clock.advance(30_000);
    await world.hello();
  }
  expect(degraded()).toBeUndefined();
});
