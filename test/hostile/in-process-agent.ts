import { randomUUID } from "node:crypto";
import { ControllerClock } from "../../src/agent/controller-clock.ts";
import { Inbox } from "../../src/agent/inbox.ts";
import { Ledger } from "../../src/agent/ledger.ts";
import { Readiness } from "../../src/agent/readiness.ts";
import { UntrustedReports } from "../../src/agent/untrusted-reports.ts";
import { newKeyPair } from "../../src/identity/key-pair.ts";
import { signerOf } from "../../src/identity/signatures.ts";
import { ackMessage, type Ack } from "../../src/protocol/ack.ts";
import { decodeReply } from "../../src/protocol/envelope.ts";
import { CONTROLLER_INBOX, nodeInbox } from "../../src/protocol/subjects.ts";
import { ErrorKernel } from "../../src/runtime/errorkernel.ts";
import { NoticeLog } from "../../src/runtime/notice-log.ts";
import type { Random } from "../../src/runtime/random.ts";
import { agentSecurity, TRUST_IN_NODE } from "../support/agent-security.ts";
import { FakeClock, settle } from "../support/fake-clock.ts";
import { RecordingLogger } from "../support/recording-logger.ts";
import { PERMITTED } from "../support/standings.ts";
import { CLUSTER_ID } from "../unit/agent/controller-side.ts";
import { MemoryBroker } from "../unit/agent/memory-bus.ts";
import { contentOf } from "./frame.ts";
import { mutationOf, type Mutation } from "./mutations.ts";
import { corpusFor, NODE, SUBJECTS } from "./signed-corpus.ts";
import type { Tally } from "./tally.ts";

/** With so many mutations one agent has lived long enough: the next has another session, and an empty ledger. */
const PER_AGENT = 2_500;
const BATCH = 100;
/** Turns of the event loop in which an answer must have come. */
const PATIENCE = 50;

/**
 * The bulk: the inbox that an agent really has, with its ledger, behind a broker in memory that an attacker owns. He
 * has messages of both sides that were signed in earnest, also such as were not delivered yet, and says changed
 * ones. Whatever is done must be what some message says, on its own subject, for this session.
 */
export async function attackInProcess(
  mutations: number,
  random: Random,
  tally: Tally,
): Promise<void> {
  for (let left = mutations; left > 0; left -= PER_AGENT) {
    const agent = await AgentInMemory.start();
    await agent.attack(Math.min(left, PER_AGENT), random, tally);
    agent.stop();
  }
}

class AgentInMemory {
  readonly #broker = new MemoryBroker();
  readonly #clock = new FakeClock();
  readonly #stop = new AbortController();
  readonly #sessionID = randomUUID();
  readonly #thrown: unknown[] = [];
  readonly #ledger: Ledger;
  /** By name; a second start of one would be a breach. */
  readonly #started = new Map<string, number>();
  #hellos = 0;

  static async start(): Promise<AgentInMemory> {
    const ledger = Ledger.open(":memory:", randomUUID);
    await ledger.pinCluster(CLUSTER_ID);
    return new AgentInMemory(ledger);
  }

  private constructor(ledger: Ledger) {
    this.#ledger = ledger;
    void this.#inbox().run(this.#stop.signal);
  }

  #inbox(): Inbox {
    const clock = this.#clock;
    const logger = new RecordingLogger();
    const controllerClock = new ControllerClock(clock);
    controllerClock.set(clock.now());
    const readiness = new Readiness(clock);
    readiness.setReady();
    const kernel = new ErrorKernel({
      logger,
      onReport: ({ process, thrown }) => {
        if (!isDistrust(thrown)) this.#thrown.push(`${process}: ${String(thrown)}`);
      },
      onShutdown: ({ thrown }) => this.#thrown.push(`it stopped: ${String(thrown)}`),
    });
    return new Inbox({
      node: NODE,
      namespace: "default",
      sessionID: this.#sessionID,
      bus: this.#broker.connect(nodeInbox(NODE)),
      newID: randomUUID,
      kernel,
      security: agentSecurity(),
      untrusted: new UntrustedReports({ clock, kernel }),
      notices: new NoticeLog(logger),
      ledger: this.#ledger,
      controllerClock,
      readiness,
      permits: { permission: async () => PERMITTED },
      onHelloRequest: () => {
        this.#hellos += 1;
      },
      runs: {
        start: ({ name }) => this.#started.set(name, (this.#started.get(name) ?? 0) + 1),
        end: () => undefined,
        resultDue: () => undefined,
      },
    });
  }

  async attack(mutations: number, random: Random, tally: Tally): Promise<void> {
    const signed = corpusFor(this.#sessionID, this.#clock.now());
    const stranger = signerOf(newKeyPair("user"));
    const world = { random, corpus: signed.all, subjects: SUBJECTS, stranger };
    const deliverable = new Set(signed.deliverable.map(contentOf));
    for (let done = 0; done < mutations; done += BATCH) {
      const size = Math.min(BATCH, mutations - done);
      const batch = Array.from({ length: size }, () => mutationOf(world));
      await this.#sayAll(batch, deliverable, tally);
    }
    const twice = [...this.#started].filter(([, times]) => times > 1);
    tally.addMany(
      "in process: commands delivered again and again",
      this.#started.size,
      twice.map(([name, times]) => `${name} was started ${times} times`),
    );
  }

  stop(): void {
    this.#stop.abort();
    this.#ledger.close();
  }

  async #sayAll(
    batch: readonly Mutation[],
    deliverable: ReadonlySet<string | undefined>,
    tally: Tally,
  ): Promise<void> {
    const said = batch.map((mutation) => this.#say(mutation));
    for (let turn = 0; turn < PATIENCE && said.some(({ acks }) => acks.length === 0); turn += 1) {
      await settle();
    }
    for (const { mutation, acks, hellos } of said) {
      const isSigned = deliverable.has(contentOf(mutation));
      const breach = isSigned ? undefined : breachOf(acks, hellos);
      tally.add(`in process: ${mutation.attack}`, breach && `${breach}: ${quoted(mutation)}`);
    }
    for (const thrown of this.#thrown.splice(0)) {
      tally.addMany("in process: what the agent threw", 1, [String(thrown)]);
    }
  }

  #say(mutation: Mutation): { mutation: Mutation; acks: Ack[]; hellos: number } {
    const acks: Ack[] = [];
    const before = this.#hellos;
    const { subject, data } = mutation;
    const reply = this.#broker.expectReply(CONTROLLER_INBOX, (answer) => {
      acks.push(decodeReply(ackMessage, answer, { request: data, trust: TRUST_IN_NODE }));
    });
    this.#broker.deliver(subject, data, reply);
    return { mutation, acks, hellos: this.#hellos - before };
  }
}

function breachOf(acks: readonly Ack[], hellos: number): string | undefined {
  if (hellos > 0) return "it said hello";
  const taken = acks.find(({ answer }) => answer !== "refused");
  return taken === undefined ? undefined : `it answered ${JSON.stringify(taken)}`;
}

function quoted({ subject, data }: Mutation): string {
  return `${subject} ${Buffer.from(data).toString().slice(0, 300)}`;
}

function isDistrust(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.message.includes("no trusted controller has signed");
}
