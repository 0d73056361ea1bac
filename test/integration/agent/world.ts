import { randomUUID } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { vi } from "vitest";
import { createAgent, type AgentDependencies } from "../../../src/agent/agent.ts";
import type { PolicySource } from "../../../src/agent/command-permits.ts";
import { gatherFacts } from "../../../src/agent/facts.ts";
import { Ledger } from "../../../src/agent/ledger.ts";
import type { Method } from "../../../src/agent/methods/method.ts";
import { killRuns } from "../../../src/agent/run-processes.ts";
import type { AgentSecurity } from "../../../src/agent/security.ts";
import type { Steps } from "../../../src/agent/steps.ts";
import type { Ack } from "../../../src/protocol/ack.ts";
import type { Result } from "../../../src/protocol/result.ts";
import type { RunReport } from "../../../src/protocol/run.ts";
import { CONTROLLER_INBOX, nodeInbox } from "../../../src/protocol/subjects.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import type { ProcessError } from "../../../src/runtime/errorkernel.ts";
import { agentSecurity } from "../../support/agent-security.ts";
import { ControllerSide, type Offer } from "../../unit/agent/controller-side.ts";
import { RecordingLogger, type LogLine } from "../../support/recording-logger.ts";
import { OWN_POLICY } from "../../support/standings.ts";
import { MemoryBroker, type MemoryBus } from "../../unit/agent/memory-bus.ts";

export interface AgentOverrides {
  readonly node?: string;
  readonly helloIntervalMs?: number;
  readonly methods?: readonly Method[];
  readonly bootID?: string;
  readonly maxRunningCommands?: number;
  readonly steps?: Steps;
  readonly policy?: PolicySource;
  readonly security?: Partial<AgentSecurity>;
  readonly clusterID?: string;
}

export interface RunningAgent {
  readonly bus: MemoryBus;
  readonly shutdowns: ProcessError[];
  /** Settles when the agent has ended. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** Waits for something to come true, however long that takes within reason. */
export function eventually<T>(look: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(look, { timeout: 40_000, interval: 10 });
}

/** A broker and a controller in memory; a data directory on disk; agents come and go. */
export class World implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "steward-agent-"));
  readonly dataDir = join(this.dir, "data");
  readonly broker = new MemoryBroker();
  readonly controller = new ControllerSide(this.broker.connect(CONTROLLER_INBOX));
  readonly log: LogLine[] = [];
  readonly #agents: RunningAgent[] = [];
  #names = 0;

  get ledgerPath(): string {
    return join(this.dataDir, "ledger.db");
  }

  async startAgent(overrides: AgentOverrides = {}): Promise<RunningAgent> {
    const { node = "ship1", helloIntervalMs = 30_000, methods, steps } = overrides;
    const stop = new AbortController();
    const shutdowns: ProcessError[] = [];
    const machine = await gatherFacts();
    const bus = this.broker.connect(nodeInbox(node));
    const dependencies: AgentDependencies = {
      bus,
      clock: systemClock,
      random: Math.random,
      newID: randomUUID,
      logger: new RecordingLogger(this.log),
      machine: { ...machine, bootID: overrides.bootID ?? machine.bootID },
      security: agentSecurity(overrides.security),
      policy: overrides.policy ?? { current: () => ({ policy: OWN_POLICY }) },
      onShutdown: (error) => shutdowns.push(error),
      ...(methods === undefined ? {} : { methods }),
      ...(steps === undefined ? {} : { steps }),
    };
    const agent = createAgent(
      {
        node,
        namespace: "default",
        clusterID: overrides.clusterID,
        dataDir: this.dataDir,
        agentVersion: "1.2.3",
        helloIntervalMs,
        killGraceMs: 300,
        maxRunningCommands: overrides.maxRunningCommands,
      },
      dependencies,
    );
    const ended = agent.run(stop.signal);
    ended.catch(() => undefined);
    const running = {
      bus,
      shutdowns,
      ended,
      stop: async () => {
        stop.abort();
        await ended;
      },
    };
    this.#agents.push(running);
    return running;
  }

  /** Starts an agent and waits until it has said hello. */
  async startReadyAgent(overrides: AgentOverrides = {}): Promise<RunningAgent> {
    const before = this.controller.hellos.length;
    const agent = await this.startAgent(overrides);
    await eventually(() => {
      if (this.controller.hellos.length === before) throw new Error("no hello yet");
    });
    return agent;
  }

  /** A resource name that is used for the first time. */
  name(): string {
    this.#names += 1;
    return `task-${this.#names}`;
  }

  /** Has a command run and waits for its result. */
  async run(offer: Offer): Promise<Result> {
    const ack = await this.controller.offer({ name: this.name(), ...offer });
    return this.result(runOf(ack).runID);
  }

  shell(script: string, offer: Offer = {}): Promise<Result> {
    return this.run({ ...offer, work: { ...offer.work, args: [script] } });
  }

  result(runID: string): Promise<Result> {
    return eventually(() => {
      const found = this.controller.results.find((result) => result.runID === runID);
      if (found === undefined) throw new Error(`no result of run ${runID} yet`);
      return found;
    });
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** Makes an empty file, and the folders that it is in. */
  touch(name: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), "");
  }

  /** The lines that commands wrote to a file: what was really run. */
  lines(name: string): string[] {
    const path = this.path(name);
    if (!existsSync(path)) return [];
    return readFileSync(path, "utf8").split("\n").slice(0, -1);
  }

  /** The states of all runs as the disk has them at this moment, beside the agent that holds the file. */
  statesOnDisk(): Map<string, string> {
    const copy = mkdtempSync(join(this.dir, "copy-"));
    for (const file of readdirSync(this.dataDir).filter((name) => name.startsWith("ledger"))) {
      cpSync(join(this.dataDir, file), join(copy, file));
    }
    const db = new DatabaseSync(join(copy, "ledger.db"));
    const rows = db.prepare("SELECT run_id, state FROM runs").all();
    db.close();
    return new Map(rows.map((row) => [String(row["run_id"]), String(row["state"])]));
  }

  /** The runs whose commands may have outlived the agents. */
  #runsOnDisk(): ReadonlySet<string> {
    const folder = join(this.dataDir, "runs");
    if (!existsSync(folder)) return new Set();
    return new Set(readdirSync(folder).map((name) => name.split(".", 1)[0] ?? name));
  }

  /** The ledger, while no agent has it. */
  openLedger(): Ledger {
    return Ledger.open(this.ledgerPath, randomUUID);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents) await agent.stop().catch(() => undefined);
    await killRuns(this.#runsOnDisk(), systemClock);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** The run that an answer tells of. */
export function runOf(ack: Ack): RunReport {
  if (ack.answer !== "accepted" && ack.answer !== "known") {
    throw new Error(`no run: ${JSON.stringify(ack)}`);
  }
  return ack.run;
}

export function isAlive(pid: number): boolean {
  try {
    // A zombie has ended; it only waits for whoever inherited it.
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
