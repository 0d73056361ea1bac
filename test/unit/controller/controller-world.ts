import type { EdgeCommand } from "../../../src/api/v1alpha1/edgecommand.ts";
import type { EdgeNode } from "../../../src/api/v1alpha1/edgenode.ts";
import { Controller } from "../../../src/controller/controller.ts";
import type { EventClaim } from "../../../src/controller/ports.ts";
import { ackMessage, type Ack } from "../../../src/protocol/ack.ts";
import { commandMessage, type Command } from "../../../src/protocol/command.ts";
import { decodeMessage, encodeMessage } from "../../../src/protocol/envelope.ts";
import { helloMessage, helloReplyMessage, type Hello } from "../../../src/protocol/hello.ts";
import { receiptMessage, resultMessage, type Receipt } from "../../../src/protocol/result.ts";
import type { RunReport } from "../../../src/protocol/run.ts";
import {
  commandsOfNode,
  CONTROLLER_INBOX,
  eventSubject,
  nodeInbox,
} from "../../../src/protocol/subjects.ts";
import { withdrawalMessage, type Withdrawal } from "../../../src/protocol/withdrawal.ts";
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

export const CLUSTER_ID = "c1c1c1c1-0000-4000-8000-000000000001";
export const LEDGER_ID = "1edce11d-0000-4000-8000-000000000001";
export const GRACE_MS = 100_000;
export const KEY = "default/uptime";

/** A controller over fakes of its own ports, and a node that says what a test wants it to say. */
export class World {
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
    mayAct: () => this.mayAct,
  });
  mayAct = true;
  readonly received: Command[] = [];
  readonly withdrawals: Withdrawal[] = [];
  readonly #stop = new AbortController();
  helloRequests = 0;

  async start(clusterID = CLUSTER_ID): Promise<this> {
    void this.controller.run(this.#stop.signal, clusterID);
    await settle();
    return this;
  }

  /** Says hello every 30 s, as an agent does, for so long. */
  async helloFor(ms: number, overrides: Partial<Hello> = {}): Promise<void> {
    for (let passed = 0; passed < ms; passed += 30_000) {
      await this.clock.advance(30_000);
      await this.hello(overrides);
    }
  }

  async hello(overrides: Partial<Hello> = {}): Promise<unknown> {
    const hello: Hello = {
      namespace: "default",
      sessionID: SESSION_ID,
      bootID: OTHER_UID,
      ledgerID: LEDGER_ID,
      ledgerCounter: 0,
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

  /**
   * The node answers every command with `answer` and every withdrawal with `answerToWithdrawal`, and counts the
   * requests for a hello. Returns the way to end that.
   */
  answer(
    answer: (command: Command) => Ack,
    answerToWithdrawal: (withdrawal: Withdrawal) => Ack = () => ({ answer: "absent" }),
  ): () => void {
    const subscription = this.ship.subscribe(commandsOfNode("ship1"), (message) => {
      if (message.subject.endsWith(".hello")) {
        this.helloRequests += 1;
        return;
      }
      if (message.subject.endsWith(".cancel")) {
        const withdrawal = decodeMessage(withdrawalMessage, message.data);
        this.withdrawals.push(withdrawal);
        message.respond(encodeMessage(ackMessage, answerToWithdrawal(withdrawal)));
        return;
      }
      const command = decodeMessage(commandMessage, message.data);
      this.received.push(command);
      message.respond(encodeMessage(ackMessage, answer(command)));
    });
    return () => {
      subscription.unsubscribe();
    };
  }

  node(): EdgeNode["status"] | undefined {
    return this.nodes.get("default/ship1")?.status;
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

export const accepting = (command: Command): Ack => ({
  answer: "accepted",
  run: { ...runReport(edgeCommand({ uid: command.uid }), { state: "Accepted" }) },
});
