import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { basename, join } from "node:path";
import { environmentOf } from "../../../src/agent/base-environment.ts";
import { makeCgroup, ownCgroup, removeCgroup } from "../../../src/agent/cgroup.ts";
import { EndRequest } from "../../../src/agent/end-request.ts";
import {
  reattachProcess,
  runProcess,
  type ProcessOwner,
  type ProcessRunnerOptions,
  type ProcessSpec,
} from "../../../src/agent/process-runner.ts";
import type { Standing } from "../../../src/agent/privileges.ts";
import type { RunEnd } from "../../../src/agent/run-end.ts";
import { killRuns } from "../../../src/agent/run-processes.ts";
import { RunSpool } from "../../../src/agent/run-spool.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { OWN_STANDING } from "../../support/standings.ts";
import { eventually } from "./world.ts";

/** The shells that may be /bin/sh on a node, as far as this machine has them, by that name. */
export const SHELLS = ["/bin/dash", "/bin/bash", "/bin/busybox"]
  .filter((path) => existsSync(path))
  .map(asSh);

function asSh(shell: string): string {
  const folder = join(tmpdir(), `steward-shells-${userInfo().username}`, basename(shell));
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const path = join(folder, "sh");
  if (!existsSync(path)) symlinkSync(shell, path);
  return path;
}

/** Whether attempts can have a cgroup here. */
export const HAS_CGROUPS = canMakeCgroups();

function canMakeCgroups(): boolean {
  const own = ownCgroup();
  if (own === undefined) return false;
  const path = join(own, `steward-test-${randomUUID()}`);
  const isMade = makeCgroup(path);
  removeCgroup(path);
  return isMade;
}

export interface Task {
  readonly runID?: string;
  /** As whom; as who runs the tests unless told. */
  readonly standing?: Standing;
  readonly argv: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly workingDir?: string;
  readonly timeoutMs?: number;
  /** How long ago it was started. */
  readonly ageMs?: number;
}

/** A folder for the files of attempts, and what is run there. */
export class AttemptWorld implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "steward-attempt-"));
  readonly dataDir = join(this.dir, "data");
  readonly #runIDs = new Set<string>();

  path(name: string): string {
    return join(this.dir, name);
  }

  read(name: string): string {
    const path = this.path(name);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  options(overrides: Partial<ProcessRunnerOptions> = {}): ProcessRunnerOptions {
    const spool = new RunSpool(this.dataDir);
    return { clock: systemClock, killGraceMs: 300, spool, ...overrides };
  }

  spec(task: Task): ProcessSpec {
    const { runID = randomUUID(), argv, stdin = "", workingDir = "/", timeoutMs = 50_000 } = task;
    const { standing = OWN_STANDING } = task;
    this.#runIDs.add(runID);
    const run = { runID, node: "ship1", namespace: "default", name: "task" };
    const env = environmentOf(run, [], standing.account);
    return {
      runID,
      attempt: 1,
      standing,
      argv,
      env: { ...env, ...task.env },
      work: { method: "exec", args: [], env: [], stdin, workingDir },
      terms: {
        timeoutMs,
        successExitCodes: [0],
        inlineBytes: 4_096,
        retry: { limit: 0, backoffMs: 1, maxBackoffMs: 1 },
        idempotent: false,
      },
      deadline: systemClock.monotonic() + timeoutMs - (task.ageMs ?? 0),
    };
  }

  run(task: Task, overrides: Partial<ProcessRunnerOptions> = {}): Promise<RunEnd> {
    return runProcess(this.spec(task), owner(), this.options(overrides));
  }

  /** Runs a script of the machine's own shell, which is the command here and not its keeper. */
  shell(script: string, overrides: Partial<ProcessRunnerOptions> = {}): Promise<RunEnd> {
    return this.run({ argv: ["/bin/sh", "-c", script] }, overrides);
  }

  folderOf({ runID }: Pick<ProcessSpec, "runID">): string {
    return join(this.dataDir, "runs", `${runID}.1`);
  }

  /** The process id of an attempt's keeper. */
  keeperOf(spec: Pick<ProcessSpec, "runID">): number {
    return Number(readFileSync(join(this.folderOf(spec), "pid"), "utf8"));
  }

  /** A script that is under way when "ready" has its process id, and goes on until `go`. */
  waiting(then: string): [string, ...string[]] {
    const ready = this.path("ready");
    const announce = `echo $$ > ${ready}.new; mv ${ready}.new ${ready}`;
    const wait = `while ! [ -e ${this.path("go")} ]; do sleep 0.01; done`;
    return ["/bin/sh", "-c", `echo before; ${announce}; ${wait}; ${then}`];
  }

  go(): void {
    writeFileSync(this.path("go"), "");
  }

  startEarlierAgent(spec: ProcessSpec): ChildProcess {
    const program = new URL("earlier-agent.ts", import.meta.url).pathname;
    return spawn(process.execPath, [program, this.dataDir, JSON.stringify(spec)], {
      stdio: ["ignore", "inherit", "inherit"],
    });
  }

  /** Has an agent start a command and be killed while that is under way. */
  async orphaned(task: Task): Promise<ProcessSpec> {
    const spec = this.spec(task);
    const agent = this.startEarlierAgent(spec);
    await this.ready();
    await killed(agent);
    return spec;
  }

  /** Resolves when the script is under way. */
  async ready(): Promise<void> {
    await eventually(() => {
      if (this.read("ready") === "") throw new Error("the script is not under way");
    });
  }

  /** Takes an attempt up as the next agent does. */
  reattach(
    spec: Omit<ProcessSpec, "standing" | "argv" | "env" | "work">,
    overrides: Partial<ProcessRunnerOptions> = {},
  ): Promise<RunEnd | "neverStarted"> {
    return reattachProcess(spec, owner(), this.options(overrides));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await killRuns(this.#runIDs, systemClock);
    const { spool } = this.options();
    for (const runID of this.#runIDs) await spool.remove(runID).catch(() => undefined);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export function owner(onForked: () => void = () => undefined): ProcessOwner {
  return { end: new EndRequest(), onForked };
}

export async function killed(process: ChildProcess): Promise<void> {
  const exited = once(process, "exit");
  process.kill("SIGKILL");
  await exited;
}
