import { randomUUID } from "node:crypto";
import { ackMessage, type Ack } from "../../../src/protocol/ack.ts";
import { commandMessage, type Address, type Command } from "../../../src/protocol/command.ts";
import {
  decodeMessage,
  decodeReply,
  encodeMessage,
  encodeReply,
  type ReplyType,
} from "../../../src/protocol/envelope.ts";
import { errorEventMessage, type ErrorEvent } from "../../../src/protocol/error-event.ts";
import {
  helloMessage,
  helloReplyMessage,
  type Hello,
  type HelloReply,
} from "../../../src/protocol/hello.ts";
import {
  receiptMessage,
  resultMessage,
  type Receipt,
  type Result,
} from "../../../src/protocol/result.ts";
import {
  commandSubject,
  eventsOfAllNodes,
  withdrawalSubject,
} from "../../../src/protocol/subjects.ts";
import type { Signer } from "../../../src/protocol/signature.ts";
import { withdrawalMessage, type Withdrawal } from "../../../src/protocol/withdrawal.ts";
import type { ResourceWithdrawal, RunWithdrawal } from "../../../src/agent/take-command.ts";
import type { Bus, BusMessage } from "../../../src/protocol/bus.ts";
import { TRUST_IN_NODE } from "../../support/agent-security.ts";
import { CONTROLLER_SIGNERS } from "../../support/test-keys.ts";

export const CLUSTER_ID = "c1c1c1c1-0000-4000-8000-000000000001";

/** What a test says of a command; the rest is made up. */
export interface Offer extends Partial<Omit<Command, "work" | "terms">> {
  readonly work?: Partial<Command["work"]>;
  readonly terms?: Partial<Command["terms"]>;
}

/** A revision that is told from others by a letter or so. */
export function revision(mark: string): string {
  return `v1:${Buffer.from(mark).toString("hex").padEnd(32, "0").slice(0, 32)}`;
}

export function command(offer: Offer = {}): Command {
  const work = {
    method: "shellcommand",
    args: ["true"],
    env: [],
    stdin: "",
    workingDir: "",
    ...offer.work,
  };
  const terms = {
    timeoutMs: 60_000,
    successExitCodes: [0],
    inlineBytes: 4_096,
    retry: { limit: 0, backoffMs: 10_000, maxBackoffMs: 600_000 },
    idempotent: false,
    ...offer.terms,
  };
  return { ...someAddress(), ...someRun(), ...offer, work, terms };
}

/** The withdrawal of a run. */
export function withdrawal(offer: Partial<RunWithdrawal> = {}): RunWithdrawal {
  return { ...someAddress(), ...someRun(), ...offer, scope: "run" };
}

/** What is said when a resource was deleted. */
export function deletion(address: Partial<Address> = {}): ResourceWithdrawal {
  return { ...someAddress(), ...address, scope: "resource" };
}

function someAddress(): Address {
  return {
    clusterID: CLUSTER_ID,
    node: "ship1",
    sessionID: randomUUID(),
    signedAt: new Date().toISOString(),
    namespace: "default",
    name: "task",
    uid: "aaaaaaaa-0000-4000-8000-000000000001",
  };
}

function someRun(): Omit<RunWithdrawal, keyof Address | "scope"> {
  return {
    epoch: 0,
    generation: 1,
    declared: 1,
    revision: revision("a"),
    rerun: "",
    requestedAt: new Date().toISOString(),
  };
}

/**
 * The other end of the wire, in the hands of a test: answers hellos and results as it is told, and
 * remembers them.
 */
export class ControllerSide {
  readonly #bus: Bus;
  /** What signs everything that it says. */
  signers: readonly Signer[] = CONTROLLER_SIGNERS;
  readonly hellos: Hello[] = [];
  readonly results: Result[] = [];
  readonly errors: ErrorEvent[] = [];
  /** Undefined: silence. */
  helloReply: (hello: Hello) => HelloReply | undefined = () => ({
    accepted: true,
    time: new Date().toISOString(),
    clusterID: CLUSTER_ID,
  });
  receipt: (result: Result) => Receipt | undefined = ({ runID }) => ({ receipt: "stored", runID });

  constructor(bus: Bus) {
    this.#bus = bus;
    bus.subscribe(eventsOfAllNodes("hello"), (message) => this.#hello(message));
    bus.subscribe(eventsOfAllNodes("result"), (message) => this.#result(message));
    bus.subscribe(eventsOfAllNodes("error"), ({ data }) => {
      this.errors.push(decodeMessage(errorEventMessage, data, TRUST_IN_NODE));
    });
  }

  get session(): string {
    return this.hellos.at(-1)?.sessionID ?? randomUUID();
  }

  /** Sends a command for the agent's session and gives its answer. */
  async offer(offer: Offer = {}): Promise<Ack> {
    const message = command({ sessionID: this.session, ...offer });
    const subject = commandSubject(message.node, message.work.method);
    return this.ask(subject, encodeMessage(commandMessage, message, this.signers));
  }

  /** Withdraws a run. */
  async withdraw(offer: Partial<RunWithdrawal> = {}): Promise<Ack> {
    return this.#sendWithdrawal(withdrawal({ sessionID: this.session, ...offer }));
  }

  /** Says that a resource was deleted. */
  async delete(address: Partial<Address> = {}): Promise<Ack> {
    return this.#sendWithdrawal(deletion({ sessionID: this.session, ...address }));
  }

  #sendWithdrawal(message: Withdrawal): Promise<Ack> {
    const data = encodeMessage(withdrawalMessage, message, this.signers);
    return this.ask(withdrawalSubject(message.node), data);
  }

  async ask(subject: string, data: Uint8Array): Promise<Ack> {
    const outcome = await this.#bus.request(subject, data, { timeoutMs: 10_000 });
    if (outcome.kind !== "reply") throw new Error(`no answer: ${outcome.kind}`);
    return decodeReply(ackMessage, outcome.data, { request: data, trust: TRUST_IN_NODE });
  }

  /** What a controller in trouble says to every hello. */
  static readonly unavailable = (): HelloReply => ({
    accepted: false,
    reason: "Unavailable",
    message: "",
    time: new Date().toISOString(),
    clusterID: CLUSTER_ID,
  });

  #hello(message: BusMessage): void {
    const hello = decodeMessage(helloMessage, message.data, TRUST_IN_NODE);
    this.hellos.push(hello);
    const reply = this.helloReply(hello);
    if (reply !== undefined) message.respond(this.#replyTo(message, helloReplyMessage, reply));
  }

  #result(message: BusMessage): void {
    const result = decodeMessage(resultMessage, message.data, TRUST_IN_NODE);
    this.results.push(result);
    const receipt = this.receipt(result);
    if (receipt !== undefined) message.respond(this.#replyTo(message, receiptMessage, receipt));
  }

  #replyTo<T>({ data }: BusMessage, type: ReplyType<T>, reply: T): Uint8Array {
    return encodeReply(type, reply, { request: data, signers: this.signers });
  }
}
