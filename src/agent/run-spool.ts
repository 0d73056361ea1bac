import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Clock } from "../runtime/clock.ts";
import { AttemptFolder } from "./attempt-folder.ts";
import { killAttempt } from "./attempt-processes.ts";
import { cgroupsIn, makeCgroup, ownCgroup, removeCgroup } from "./cgroup.ts";
import { errorCode } from "./spawn-failure.ts";
import { WRAPPER_SCRIPT } from "./wrapper-script.ts";

const CGROUP_PREFIX = "steward-";

/** The folders of attempts, `<dataDir>/runs/<runID>.<attempt>`, by which a command outlives its agent. */
export class RunSpool {
  readonly #runs: string;
  readonly #script: string;
  readonly #cgroup: string | undefined;
  #isPrepared = false;

  /** `cgroup`: where the cgroups of attempts are made, if that can be done; the agent's own unless told. */
  constructor(dataDir: string, cgroup: string | undefined = ownCgroup()) {
    this.#runs = resolve(dataDir, "runs");
    this.#script = resolve(dataDir, "wrapper.sh");
    this.#cgroup = cgroup;
  }

  /** The wrapper's script. There after `prepare`. */
  get script(): string {
    return this.#script;
  }

  /** Makes what all attempts share. Throws the system's error. */
  prepare(): void {
    if (this.#isPrepared && existsSync(this.#script) && existsSync(this.#runs)) return;
    mkdirSync(this.#runs, { recursive: true, mode: 0o700 });
    // Renamed into place: a shell that still reads the script of an earlier agent goes on with that one.
    const fresh = `${this.#script}.new`;
    writeFileSync(fresh, WRAPPER_SCRIPT, { mode: 0o600 });
    renameSync(fresh, this.#script);
    this.#isPrepared = true;
  }

  attempt(runID: string, attempt: number): AttemptFolder {
    return new AttemptFolder(join(this.#runs, `${runID}.${attempt}`));
  }

  /** Makes a cgroup for an attempt and writes down where. Undefined where that cannot be done. */
  makeCgroup(runID: string, attempt: number): string | undefined {
    if (this.#cgroup === undefined) return undefined;
    const path = join(this.#cgroup, `${CGROUP_PREFIX}${runID}.${attempt}`);
    if (!makeCgroup(path)) return undefined;
    try {
      this.attempt(runID, attempt).recordCgroup(path);
      return path;
    } catch {
      removeCgroup(path);
      return undefined;
    }
  }

  /** Kills what is left of an attempt, and of its run; after another boot that is nothing. */
  async kill(runID: string, attempt: number, clock: Clock): Promise<void> {
    await killAttempt({ runID, cgroup: this.attempt(runID, attempt).cgroup() }, clock);
  }

  /** Removes the folders of all attempts of a run. What still runs of it goes on. */
  async remove(runID: string): Promise<void> {
    await this.#removeWhere((id) => id === runID);
  }

  /** Removes the folders of all runs that are not in the set, and kills nothing. */
  async retain(runIDs: ReadonlySet<string>): Promise<void> {
    await this.#removeWhere((id) => !runIDs.has(id));
    if (this.#cgroup === undefined) return;
    for (const name of await cgroupsIn(this.#cgroup)) {
      if (!name.startsWith(CGROUP_PREFIX)) continue;
      if (!runIDs.has(runOf(name.slice(CGROUP_PREFIX.length)))) {
        removeCgroup(join(this.#cgroup, name));
      }
    }
  }

  async #removeWhere(isMeant: (runID: string) => boolean): Promise<void> {
    const names = foldersIn(this.#runs).filter((name) => isMeant(runOf(name)));
    for (const name of names) {
      const folder = new AttemptFolder(join(this.#runs, name));
      const cgroup = folder.cgroup();
      if (cgroup !== undefined) removeCgroup(cgroup);
      await folder.remove();
    }
  }
}

function runOf(name: string): string {
  return name.split(".", 1)[0] ?? name;
}

function foldersIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (thrown) {
    if (errorCode(thrown) === "ENOENT") return [];
    throw thrown;
  }
}
