import { edgeCommandSpec, type EdgeCommand } from "../../../src/api/v1alpha1/edgecommand.ts";
import { ackMessage } from "../../../src/protocol/ack.ts";
import type { BusMessage } from "../../../src/protocol/bus.ts";
import { decodeMessage, decodeReply } from "../../../src/protocol/envelope.ts";
import { ANYONE } from "../../../src/protocol/signature.ts";
import { receiptMessage } from "../../../src/protocol/result.ts";
import {
  CONTROLLER_INBOX,
  eventSubject,
  withdrawalSubject,
} from "../../../src/protocol/subjects.ts";
import { withdrawalMessage } from "../../../src/protocol/withdrawal.ts";
import type { Logger } from "../../../src/runtime/logger.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { Cluster, type Backup } from "./cluster.ts";
import { ControllerModel, type Call } from "./controller-model.ts";
import { Ids, shortID } from "./ids.ts";
import { checkStatus, unsettled } from "./invariants.ts";
import { Network } from "./network.ts";
import { NODE, NodeModel } from "./node-model.ts";
import type { Step, Wish } from "./steps.ts";
import { broken, Truth } from "./truth.ts";

const START = Date.parse("2026-11-24T06:00:00.250Z");
const HEALING_ROUNDS = 40;
/** Longer than every back-off. */
const HEALING_ROUND_MS = 61_000;
const HEARTBEAT_MS = 15_000;
const REPAIR_MS = 1_000;
/** As the documentation asks for after a restore: longer than a message lives. */
const RESTORE_WAIT_MS = 61_000;

type Handlers = {
  readonly [K in Step["kind"]]: (step: Extract<Step, { kind: K }>) => Promise<void> | void;
};

const BOTH: readonly number[] = [0, 1];

/** Two controllers, one node, the API server and the broker between them, and people. */
export class World {
  readonly #clock = new FakeClock(START);
  readonly #ids = new Ids();
  readonly #cluster = new Cluster();
  readonly #network = new Network(this.#clock);
  readonly #truth = new Truth();
  readonly #calls: Call[] = [];
  readonly #problems: string[] = [];
  readonly #logger = loggerFor(this.#problems);
  readonly #node = new NodeModel({
    network: this.#network,
    clock: this.#clock,
    logger: this.#logger,
    truth: this.#truth,
    newID: this.#ids.next,
  });
  readonly #controllers = new Map<number, ControllerModel>();
  readonly #backups: Backup[] = [];
  readonly #lastWish = new Map<string, Wish>();
  #wasRestored = false;
  #ledgerWasLost = false;
  /** What happened, in words. */
  readonly trace: string[] = [];

  readonly #handlers: Handlers = {
    create: ({ name, wish }) => this.#create(name, wish),
    recreate: ({ name }) => this.#recreate(name),
    delete: ({ name }) => this.#delete(name),
    edit: ({ name, change }) => this.#edit(name, change),
    start: async ({ pick, progress }) => {
      const runID = await this.#node.startNext(pick, progress);
      this.#note(runID === undefined ? "nothing" : `run ${shortID(runID)}, ${progress}`);
    },
    finish: async ({ pick, outcome }) => {
      const runID = await this.#node.finish(pick, outcome);
      this.#note(runID === undefined ? "nothing" : `run ${shortID(runID)}`);
    },
    hello: () => this.#node.hello(),
    agentCrash: () => this.#node.crash(),
    agentStart: () => this.#node.start(),
    machineDeath: () => this.#node.die(),
    ledgerLoss: async () => {
      // An edit that a restore brings back unwritten counts as requested then: after the new ledger. Both
      // together are more than is promised.
      if (this.#wasRestored) return;
      this.#backups.length = 0;
      this.#ledgerWasLost = true;
      this.#node.loseLedger();
      // A machine is not repaired within the millisecond in which a command was requested.
      await this.#clock.advance(REPAIR_MS);
    },
    time: async ({ ms }) => {
      this.#note(`${ms} ms`);
      await this.#clock.advance(ms);
      if (ms >= HEARTBEAT_MS) this.#node.hello();
    },
    watch: (step) => {
      this.#note(`${nameOf(step.controller)}, ${step.of}`);
      this.#controllers.get(step.controller)?.catchUp(step.of);
    },
    api: (step) => this.#api(step),
    net: (step) => this.#net(step),
    controllerCrash: ({ controller }) => this.#startController(controller),
    backup: () => {
      this.#backups.push(this.#cluster.backup());
    },
    restore: ({ pick }) => this.#restore(pick),
    flow: ({ rounds, controllers }) => this.#flow(rounds, controllers),
  };

  /** A world in which the node is known and everything works. */
  static async create(): Promise<World> {
    const world = new World();
    world.#cluster.commands.onStatusWrite = (before, after) => {
      world.trace.push(`  status of ${wordsOf(after)}: ${statusWords(after)}`);
      world.#node.records();
      checkStatus(world.#truth, before, after);
    };
    world.#network.onAnswer = (asked, data) => world.#answered(asked, data);
    world.#startController(0);
    world.#startController(1);
    world.#node.start();
    await world.#flow(6);
    world.#backups.push(world.#cluster.backup());
    return world;
  }

  async do(step: Step): Promise<void> {
    this.trace.push(step.kind);
    await (this.#handlers[step.kind] as (step: Step) => Promise<void> | void)(step);
    await this.#nodeHasTaken();
    const [problem] = this.#problems;
    if (problem !== undefined) broken(problem);
  }

  /**
   * From here on everything works, there is one controller, and nobody changes anything: every command has
   * to come to its end.
   */
  async heal(): Promise<void> {
    this.trace.push("healing");
    this.#stopController(1);
    this.#startController(0);
    let remaining: string[] = [];
    let goodRounds = 0;
    for (let round = 0; round < HEALING_ROUNDS && goodRounds < 2; round += 1) {
      await this.#healingRound();
      remaining = this.#unsettled();
      goodRounds = remaining.length === 0 ? goodRounds + 1 : 0;
    }
    if (remaining.length > 0) broken(`it does not heal: ${remaining.join("; ")}`);
  }

  close(): void {
    for (const each of BOTH) this.#stopController(each);
    this.#node.close();
  }

  async #healingRound(): Promise<void> {
    this.#node.start();
    this.#node.hello();
    await this.#flow(4);
    for (let i = 0; i < 10 && !this.#node.isIdle; i += 1) {
      await this.do({ kind: "start", pick: 0, progress: "running" });
      await this.do({ kind: "finish", pick: 0, outcome: "Succeeded" });
    }
    await this.#flow(4);
    await this.do({ kind: "time", ms: HEALING_ROUND_MS });
  }

  #unsettled(): string[] {
    const excuses = { wasRestored: this.#wasRestored, ledgerWasLost: this.#ledgerWasLost };
    const commands = [...this.#cluster.commands.objects.values()]
      .map((command) => unsettled(command, this.#truth, excuses))
      .filter((problem) => problem !== undefined);
    return this.#node.owesNothing ? commands : [...commands, "the node owes results"];
  }

  #recreate(name: string): void {
    const wish = this.#lastWish.get(name);
    if (wish !== undefined) this.#create(name, wish);
  }

  #delete(name: string): void {
    const key = `default/${name}`;
    const object = this.#cluster.commands.get(key);
    if (object !== undefined) this.#note(wordsOf(object));
    this.#cluster.commands.remove(key);
  }

  #create(name: string, wish: Wish): void {
    if (this.#cluster.commands.get(`default/${name}`) !== undefined) return;
    this.#lastWish.set(name, wish);
    const created = this.#cluster.commands.put({
      apiVersion: "steward.dev/v1alpha1",
      kind: "EdgeCommand",
      metadata: {
        name,
        namespace: "default",
        uid: this.#ids.next(),
        resourceVersion: "",
        generation: 1,
        creationTimestamp: new Date(this.#clock.now()).toISOString().replace(/\.\d+Z$/, "Z"),
      },
      spec: specOf(wish),
      status: { observedGeneration: -1, phase: "Pending" },
    });
    this.#note(`${wordsOf(created)} as ${wordsOfWish(wish)}`);
    this.#truth.declared(created, undefined);
  }

  #edit(edited: string, change: Partial<Wish>): void {
    const before = this.#cluster.commands.get(`default/${edited}`);
    if (before === undefined) return;
    const { name, generation } = before.metadata;
    const earlier = this.#wishOf(before);
    const wish = { ...earlier, ...change };
    if (wordsOfWish(wish) === wordsOfWish(earlier)) return;
    this.#lastWish.set(name, wish);
    const after = this.#cluster.commands.put({
      ...before,
      metadata: { ...before.metadata, generation: generation + 1 },
      spec: specOf(wish),
    });
    this.#note(`${wordsOf(after)} to ${wordsOfWish(wish)}`);
    this.#truth.declared(after, before);
  }

  #wishOf({ spec }: EdgeCommand): Wish {
    const { args, rerun, suspend, cancel, startDeadline, offlinePolicy } = spec;
    return {
      args: args[0] as Wish["args"],
      rerun: rerun as Wish["rerun"],
      suspend,
      cancel,
      startDeadline: startDeadline as Wish["startDeadline"],
      offlinePolicy,
    };
  }

  #api({ pick, how }: Extract<Step, { kind: "api" }>): void {
    const index = pick % Math.max(1, this.#calls.length);
    const call = this.#calls[index];
    if (call === undefined) return;
    this.#note(`${call.words}: ${how}`);
    if (how !== "performed") this.#calls.splice(index, 1);
    if (how === "answered") call.answer();
    else if (how !== "failed") call.perform();
    if (how === "failed" || how === "answerLost") call.fail();
  }

  #net({ pick, how }: Extract<Step, { kind: "net" }>): void {
    const { bag } = this.#network;
    const index = pick % Math.max(1, bag.length);
    const message = bag[index];
    if (message === undefined) return;
    this.#note(`${message.words}: ${how}`);
    if (how !== "duplicated") bag.splice(index, 1);
    if (how !== "dropped") message.arrive();
  }

  async #restore(pick: number): Promise<void> {
    const backup = this.#backups.at(-1 - (pick % Math.max(1, this.#backups.length)));
    if (backup === undefined) return;
    for (const each of BOTH) this.#stopController(each);
    this.#calls.length = 0;
    this.#cluster.restore(backup);
    this.#wasRestored = true;
    this.#note([...backup.commands.values()].map(wordsOf).join(", "));
    await this.#clock.advance(RESTORE_WAIT_MS);
    for (const each of BOTH) this.#startController(each);
  }

  /** What is on its way arrives, in order, for as many rounds; only of these controllers. */
  async #flow(rounds: number, controllers: readonly number[] = BOTH): Promise<void> {
    const names = new Set(controllers.map(nameOf));
    for (let round = 0; round < rounds; round += 1) {
      for (const each of controllers) this.#catchUp(each);
      await quiet();
      for (const call of takeWhere(this.#calls, ({ by }) => names.has(by))) {
        this.trace.push(`  ${call.words}`);
        call.answer();
      }
      await quiet();
      const messages = takeWhere(this.#network.bag, ({ between }) =>
        between.some((party) => names.has(party)),
      );
      for (const message of messages) {
        this.trace.push(`  ${message.words}`);
        message.arrive();
        if (message.between[1] === NODE) await this.#nodeHasTaken();
      }
      await quiet();
    }
  }

  /** What one side has said, it has to keep. */
  #answered(asked: Pick<BusMessage, "subject" | "data">, data: Uint8Array): void {
    if (asked.subject === eventSubject(NODE, "result")) this.#receipted(asked.data, data);
    if (asked.subject === withdrawalSubject(NODE)) {
      const withdrawal = decodeMessage(withdrawalMessage, asked.data, ANYONE);
      const { answer } = decodeReply(ackMessage, data, { request: asked.data, trust: ANYONE });
      const isTaken = withdrawal.scope === "resource" && answer !== "refused";
      if (isTaken) this.#truth.withdrawn(withdrawal.uid);
    }
  }

  #receipted(request: Uint8Array, data: Uint8Array): void {
    const receipt = decodeReply(receiptMessage, data, { request, trust: ANYONE });
    if (receipt.receipt === "refused") this.#problems.push(receipt.message);
    else if (receipt.receipt === "stored" && !this.#truth.wasStored(receipt.runID)) {
      this.#problems.push(`run ${receipt.runID} has its receipt and was never in etcd`);
    }
  }

  /** After each message to the node: what one brings, the next may change. */
  async #nodeHasTaken(): Promise<void> {
    await quiet();
    this.#node.records();
  }

  #catchUp(index: number): void {
    const controller = this.#controllers.get(index);
    while (controller?.catchUp("nodes") === true || controller?.catchUp("commands") === true);
  }

  /** A new process, in the place of the one before. */
  #startController(index: number): void {
    this.#stopController(index);
    const name = nameOf(index);
    const surroundings = {
      cluster: this.#cluster,
      clock: this.#clock,
      logger: this.#logger,
      calls: this.#calls,
      newID: this.#ids.next,
    };
    const bus = this.#network.connect(name, `${CONTROLLER_INBOX}.${index}`);
    this.#controllers.set(index, new ControllerModel(name, surroundings, bus));
  }

  #stopController(index: number): void {
    this.#controllers.get(index)?.crash();
    this.#controllers.delete(index);
    this.#network.disconnect(nameOf(index));
  }

  #note(words: string): void {
    this.trace.push(`${this.trace.pop() ?? ""}: ${words}`);
  }
}

function nameOf(controller: number): string {
  return `controller ${controller}`;
}

/** Takes out of `from` what is `wanted`. */
function takeWhere<T>(from: T[], wanted: (each: T) => boolean): T[] {
  const taken = from.filter(wanted);
  if (taken.length > 0) from.splice(0, from.length, ...from.filter((each) => !wanted(each)));
  return taken;
}

/** Whatever can go on without time, an answer or a message goes on; the ledger commits once a turn. */
async function quiet(): Promise<void> {
  await settle();
  await settle();
}

/** A defect shows as an error of the language in a log. */
function loggerFor(problems: string[]): Logger {
  const inspect = (fields: object, message: string): void => {
    const thrown = "err" in fields ? fields.err : undefined;
    if (thrown instanceof TypeError || thrown instanceof RangeError) {
      problems.push(`${message}: ${thrown.stack}`);
    }
  };
  const logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: inspect,
    error: inspect,
    child: () => logger,
  };
  return logger;
}

const specs = new Map<string, EdgeCommand["spec"]>();

/** A new object each time: the truth tells declarations apart by it. */
function specOf(wish: Wish): EdgeCommand["spec"] {
  const key = JSON.stringify(wish);
  const { args, startDeadline, ...rest } = wish;
  const spec =
    specs.get(key) ??
    edgeCommandSpec.parse({
      nodeName: NODE,
      method: "shellcommand",
      args: [args],
      ...(startDeadline === undefined ? {} : { startDeadline }),
      ...rest,
    });
  specs.set(key, spec);
  return { ...spec };
}

function wordsOf({ metadata }: EdgeCommand): string {
  return `${metadata.name} ${shortID(metadata.uid)} generation ${metadata.generation}`;
}

function wordsOfWish(wish: Wish): string {
  const { args, rerun, suspend, cancel, startDeadline, offlinePolicy } = wish;
  return `${args} rerun "${rerun}"${suspend ? " suspended" : ""}${cancel ? " cancelled" : ""}${startDeadline === undefined ? "" : ` within ${startDeadline}`} ${offlinePolicy}`;
}

function statusWords({ status }: EdgeCommand): string {
  const { run } = status;
  const runID = run?.runID === undefined ? "no run" : `run ${shortID(run.runID)}`;
  return `${status.phase}, ${runID} declared ${run?.declared} epoch ${run?.epoch} rerun "${run?.rerun}" started ${run?.started}: ${run?.reason}`;
}
