import type { EdgeCommand } from "../../../src/api/v1alpha1/edgecommand.ts";
import type { EdgeNode } from "../../../src/api/v1alpha1/edgenode.ts";
import { Controller } from "../../../src/controller/controller.ts";
import type { EventClaim, ValueReader } from "../../../src/controller/ports.ts";
import { ackMessage, type Ack } from "../../../src/protocol/ack.ts";
import { commandMessage, type Command } from "../../../src/protocol/command.ts";
import type { IdentityPorts } from "../../../src/controller/identity/ports.ts";
import {
  decodeMessage,
  decodeReply,
  encodeMessage,
  encodeReply,
} from "../../../src/protocol/envelope.ts";
import { helloMessage, helloReplyMessage, type Hello } from "../../../src/protocol/hello.ts";
import { receiptMessage, resultMessage, type Receipt } from "../../../src/protocol/result.ts";
import type { RunReport } from "../../../src/protocol/run.ts";
import {
  commandsOfNode,
  CONTROLLER_INBOX,
  eventSubject,
  nodeInbox,
} from "../../../src/protocol/subjects.ts";
import { trustIn } from "../../../src/identity/signatures.ts";
import { ANYONE, NO_SIGNERS, type Signer, type Trust } from "../../../src/protocol/signature.ts";
import { timestampOf } from "../../../src/runtime/clock.ts";
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
import {
  CONTROLLER_KEY,
  CONTROLLER_SIGNERS,
  NODE_KEY,
  NODE_SIGNERS,
} from "../../support/test-keys.ts";
import { MemoryBroker } from "../agent/memory-bus.ts";

export const CLUSTER_ID = "c1c1c1c1-0000-4000-8000-000000000001";
export const LEDGER_ID = "1edce11d-0000-4000-8000-000000000001";
export const GRACE_MS = 100_000;
export const KEY = "default/uptime";

export const COMMAND_KEYS = { serial: 1, keys: [CONTROLLER_KEY.publicKey] };
export const SEALING_KEY = "s".repeat(43);

export interface WorldOptions {
  /** Signed unless told: the node is who has NODE_KEY. */
  readonly security?: "insecure";
  readonly identity?: IdentityPorts;
  readonly clock?: FakeClock;
  readonly namespace?: string;
}

/** A controller over fakes of its own ports, and a node that says what a test wants it to say. */
export class World {
  readonly clock: FakeClock;
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
  /** Who signs what the node says. */
  signers: readonly Signer[] = NODE_SIGNERS;
  readonly controller: Controller;
  mayAct = true;
  values: ValueReader = { read: () => Promise.resolve("notFound") };
  readonly received: Command[] = [];
  readonly withdrawals: Withdrawal[] = [];
  readonly #stop = new AbortController();
  helloRequests = 0;
  readonly #isInsecure: boolean;
  #sequence = 0;

  constructor({ security, identity, namespace, clock }: WorldOptions = {}) {
    this.clock = clock ?? new FakeClock(Date.parse("2026-11-24T06:00:00.250Z"));
    const isInsecure = security === "insecure";
    this.#isInsecure = isInsecure;
    this.controller = new Controller({
      commands: this.commands,
      nodes: this.nodes,
      errors: fakeStoreErrors,
      bus: this.bus,
      events: { record: (_, event) => this.events.push(event) },
      values: { read: (object) => this.values.read(object) },
      security: () =>
        isInsecure ? "insecure" : { signers: CONTROLLER_SIGNERS, set: COMMAND_KEYS },
      identity,
      namespace,
      registerNodes: isInsecure,
      nodeGracePeriodMs: GRACE_MS,
      clock: this.clock,
      random: () => 1,
      logger: this.logger,
      mayAct: () => this.mayAct,
    });
  }

  /** The EdgeNode of the node, as somebody has put it into Git. */
  async declare(namespace = "default"): Promise<EdgeNode> {
    const spec = { disabled: false, publicKey: NODE_KEY.publicKey };
    const node = await this.nodes.create({ metadata: { namespace, name: "ship1" }, spec });
    await settle();
    return node;
  }

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

  /** What a node says: signed, now, and for the first time. Its EdgeNode is there, unless nothing is signed. */
  async hello(overrides: Partial<Hello> = {}): Promise<unknown> {
    const isDeclared = this.nodes.get("default/ship1") !== undefined;
    if (!this.#isInsecure && !isDeclared) await this.declare();
    return this.say(this.helloOf(overrides));
  }

  helloOf(overrides: Partial<Hello> = {}): Hello {
    this.#sequence += 1;
    return {
      namespace: "default",
      node: "ship1",
      sessionID: SESSION_ID,
      sequence: this.#sequence,
      signedAt: timestampOf(this.clock.now()),
      sealingKey: SEALING_KEY,
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
  }

  async say(hello: Hello): Promise<unknown> {
    const request = encodeMessage(helloMessage, hello, this.#nodeSigners);
    const reply = await this.#ask(eventSubject("ship1", "hello"), request);
    await settle();
    return reply && decodeReply(helloReplyMessage, reply, { request, trust: this.trust });
  }

  async result(
    report: RunReport & { node?: string },
    clusterID = CLUSTER_ID,
  ): Promise<Receipt | undefined> {
    const { result = runResult() } = report;
    const message = { node: "ship1", ...report, clusterID, state: "Finished" as const, result };
    const request = encodeMessage(resultMessage, message, this.#nodeSigners);
    const reply = await this.#ask(eventSubject("ship1", "result"), request);
    await settle();
    return reply && decodeReply(receiptMessage, reply, { request, trust: this.trust });
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
        const withdrawal = decodeMessage(withdrawalMessage, message.data, this.trust);
        this.withdrawals.push(withdrawal);
        message.respond(this.#ack(answerToWithdrawal(withdrawal), message.data));
        return;
      }
      const command = decodeMessage(commandMessage, message.data, this.trust);
      this.received.push(command);
      message.respond(this.#ack(answer(command), message.data));
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

  /** Whom the node believes. */
  get trust(): Trust {
    return this.#isInsecure ? ANYONE : trustIn(() => COMMAND_KEYS.keys);
  }

  get #nodeSigners(): readonly Signer[] {
    return this.#isInsecure ? NO_SIGNERS : this.signers;
  }

  #ack(ack: Ack, request: Uint8Array): Uint8Array {
    return encodeReply(ackMessage, ack, { request, signers: this.#nodeSigners });
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
