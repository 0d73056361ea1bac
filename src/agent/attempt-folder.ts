import {
  closeSync,
  existsSync,
  fchownSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Clock } from "../runtime/clock.ts";
import type { Account } from "./account.ts";
import { LastWords, makeRoom, type Progress } from "./last-words.ts";
import { errorCode } from "./spawn-failure.ts";
import { signalProcess, wrapperRuns, wrappersOf } from "./run-processes.ts";

/** Ends the name of a folder that is on its way out. */
const REMOVED = ".removed";
const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;
/** A file system in memory that every Linux machine has. */
const MEMORY = "/dev/shm";
const POLL_MS = 20;
const TIME_UP = "time-up";
/** What `pid` has when an agent made it. */
const CLAIMED_BY_AGENT = "agent\n";

export const STREAMS = ["stdout", "stderr"] as const;
export type StreamName = (typeof STREAMS)[number];

/** The descriptors of a new attempt's files; the agent's until it has started the wrapper. */
export interface AttemptFiles {
  readonly stdin: number | "ignore";
  readonly stdout: number;
  readonly stderr: number;
  readonly exit: number;
  readonly wrapper: number;
  /** What makes the command's environment. */
  readonly launch: number;
}

/** What goes into the files of a new attempt. */
export interface AttemptInput {
  readonly stdin: string;
  /** See `launchScript`. */
  readonly launch: string;
  /** To whom the command's own files belong, so that it can open them again; the agent's unless told. */
  readonly owner?: Pick<Account, "uid" | "gid"> | undefined;
}

/**
 * `whole`: as its wrapper, or the agent before there was one, has left them. `torn`: a wrapper had claimed it, and
 * something is missing since. `none`: there is nothing to go by.
 */
export type Trace = "whole" | "torn" | "none";

/** Somebody has begun this attempt already, and may have started its command. */
export class BegunBefore extends Error {
  override readonly name = "BegunBefore";

  constructor() {
    super("the attempt has been begun before");
  }
}

/**
 * The files of one attempt, which are all that an agent and the agents after it know of its process.
 *
 * INVARIANTS
 * - `pid` belongs to whoever made it, wrapper or agent, for ever: it is never removed while a wrapper could
 *   come upon it.
 * - The folder is not made again while there is one: that attempt may have been started.
 */
export class AttemptFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes the folder and its files. Throws the system's error, and leaves nothing then; or a BegunBefore,
   * and touches nothing.
   */
  create({ stdin, launch, owner }: AttemptInput): AttemptFiles {
    this.#makeFolder();
    const opened: number[] = [];
    const noted = (fd: number): number => {
      opened.push(fd);
      return fd;
    };
    const open = (name: string, flags: string): number =>
      noted(openSync(join(this.path, name), flags, PRIVATE_FILE));
    try {
      const files = {
        stdin: stdin === "" ? ("ignore" as const) : noted(this.#input("stdin", stdin)),
        stdout: open("stdout", "ax"),
        stderr: open("stderr", "ax"),
        exit: open("exit", "wx+"),
        wrapper: open("wrapper", "ax"),
        launch: noted(this.#input("launch", launch)),
      };
      if (owner !== undefined) giveTo(owner, [files.stdin, files.stdout, files.stderr]);
      makeRoom(files.exit);
      return files;
    } catch (thrown) {
      for (const fd of opened) closeSync(fd);
      this.discard();
      throw thrown;
    }
  }

  #makeFolder(): void {
    try {
      mkdirSync(this.path, { mode: PRIVATE_FOLDER });
    } catch (thrown) {
      throw errorCode(thrown) === "EEXIST" ? new BegunBefore() : thrown;
    }
  }

  /** In memory, if the machine lets it: what was on a disk stays there after its file is gone. */
  #input(name: string, text: string): number {
    try {
      return unnamedFile(join(MEMORY, `steward-${basename(this.path)}-${name}`), text);
    } catch {
      return unnamedFile(join(this.path, name), text);
    }
  }

  /** Lets go of what is the wrapper's now: all but its last words. */
  release({ stdin, stdout, stderr, launch }: AttemptFiles): void {
    for (const fd of [stdin, stdout, stderr, launch]) {
      if (fd !== "ignore") closeSync(fd);
    }
  }

  /** What the wrapper of an earlier agent leaves. Throws the system's error if it is gone. */
  lastWords(): LastWords {
    const exit = openSync(join(this.path, "exit"), "r");
    try {
      return new LastWords(exit, openSync(join(this.path, "wrapper"), "r"));
    } catch (thrown) {
      closeSync(exit);
      throw thrown;
    }
  }

  /**
   * Removes the folder, whatever is in it, after which it may be made again. It goes by being renamed first:
   * a wrapper that is late finds nothing to claim, or another's. One that has found it already has claimed it,
   * or else is ended. A folder that was left half removed under its new name is removed as well.
   */
  async remove(): Promise<void> {
    const leaving = this.path.endsWith(REMOVED) ? this.path : `${this.path}${REMOVED}`;
    if (leaving !== this.path) {
      // An earlier removal may have been cut short.
      if (existsSync(leaving)) await rm(leaving, { recursive: true, force: true });
      const isClaimed = typeof this.wrapperID() === "number";
      if (!isRenamed(this.path, leaving)) return;
      if (!isClaimed) this.#endWrappers();
    }
    if (!removedQuickly(leaving)) await rm(leaving, { recursive: true, force: true });
  }

  /** Removes the folder of an attempt for which there was no wrapper. */
  discard(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  /**
   * Tries to claim the attempt, for an agent that did not see its start: the wrapper's process id, or
   * undefined if there is none and the command has not started and never will. Throws if it can neither
   * tell nor claim.
   */
  async claim(clock: Clock, deadline: number): Promise<number | undefined> {
    if (this.#makeClaim()) {
      // One that is late comes upon the claim, if it still comes to look. None is to be left to do so.
      this.#endWrappers();
      return undefined;
    }
    // Between its two steps a wrapper has made the file and not written it yet.
    while (this.wrapperID() === "unfinished" && wrappersOf(this.path).length > 0) {
      if (clock.monotonic() >= deadline) {
        this.#endWrappers();
        break;
      }
      await clock.sleep(POLL_MS);
    }
    const id = this.wrapperID();
    return typeof id === "number" ? id : undefined;
  }

  /** What the files say of the attempt. Nobody but a person takes away what its end can be told from. */
  trace(): Trace {
    // In this order: a wrapper writes its id before it says that it has begun.
    const progress = this.#progress();
    const isClaimed = typeof this.wrapperID() === "number";
    if (progress === undefined || progress === "lost") return isClaimed ? "torn" : "none";
    return progress === "unbegun" || isClaimed ? "whole" : "torn";
  }

  /** Whether a wrapper of it is there, claimed or not. */
  hasWrapper(): boolean {
    return wrappersOf(this.path).length > 0;
  }

  /** The wrapper's process id, once it has claimed the attempt. */
  wrapperID(): number | "unfinished" | "agent" | undefined {
    const text = this.#read("pid");
    if (text === undefined) return undefined;
    if (text === CLAIMED_BY_AGENT) return "agent";
    const digits = /^(\d+)\n/.exec(text)?.[1];
    return digits === undefined ? "unfinished" : Number(digits);
  }

  /** Whether the wrapper is there, as the process with this id. */
  isKeptBy(pid: number): boolean {
    return wrapperRuns(pid, this.path);
  }

  /** Leaves word, for an agent that sees only the end, that this one began to end it because its time was up. */
  noteTimeUp(): void {
    try {
      writeFileSync(join(this.path, TIME_UP), "", { mode: PRIVATE_FILE });
    } catch {
      // Then that agent tells of the signal.
    }
  }

  isTimeUp(): boolean {
    return existsSync(join(this.path, TIME_UP));
  }

  /** How much a stream has come to so far; nothing if it cannot be looked at. */
  size(stream: StreamName): number {
    try {
      return statSync(this.file(stream)).size;
    } catch {
      return 0;
    }
  }

  file(stream: StreamName): string {
    return join(this.path, stream);
  }

  /** Writes down where the attempt's cgroup is: a later agent may run in another one. */
  recordCgroup(cgroup: string): void {
    writeFileSync(join(this.path, "cgroup"), cgroup, { mode: PRIVATE_FILE });
  }

  cgroup(): string | undefined {
    const path = this.#read("cgroup");
    return path === "" ? undefined : path;
  }

  /** Undefined where its last words cannot be read. */
  #progress(): Progress | undefined {
    try {
      const words = this.lastWords();
      const progress = words.progress();
      words.close();
      return progress;
    } catch {
      return undefined;
    }
  }

  #makeClaim(): boolean {
    mkdirSync(this.path, { recursive: true, mode: PRIVATE_FOLDER });
    try {
      const claim = { mode: PRIVATE_FILE, flag: "wx" } as const;
      writeFileSync(join(this.path, "pid"), CLAIMED_BY_AGENT, claim);
      return true;
    } catch (thrown) {
      if (errorCode(thrown) === "EEXIST") return false;
      throw thrown;
    }
  }

  /** Nothing of a process is executed once SIGKILL was sent to it, however long it takes to go. */
  #endWrappers(): void {
    for (const pid of wrappersOf(this.path)) signalProcess(pid, "SIGKILL");
  }

  #read(name: string): string | undefined {
    try {
      return readFileSync(join(this.path, name), "utf8");
    } catch {
      return undefined;
    }
  }
}

/** A file to be read that has no name any more when it has its text: so no end of the agent leaves that there. */
function unnamedFile(path: string, text: string): number {
  const writing = openSync(path, "wx", PRIVATE_FILE);
  let reading: number | undefined;
  try {
    unlinkSync(path);
    // By its descriptor: under its name there may be another's by now.
    reading = openSync(`/proc/self/fd/${writing}`, "r");
    writeFileSync(writing, text);
    return reading;
  } catch (thrown) {
    if (reading !== undefined) closeSync(reading);
    throw thrown;
  } finally {
    closeSync(writing);
  }
}

function giveTo(
  { uid, gid }: Pick<Account, "uid" | "gid">,
  files: ReadonlyArray<number | "ignore">,
): void {
  for (const fd of files) if (fd !== "ignore") fchownSync(fd, uid, gid);
}

/** False if there is none: two removals may meet. */
function isRenamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (thrown) {
    if (errorCode(thrown) === "ENOENT") return false;
    throw thrown;
  }
}

/** Removes a folder of a few files, in a fraction of the time that any other takes. Whether that did it. */
function removedQuickly(path: string): boolean {
  try {
    for (const name of readdirSync(path)) unlinkSync(join(path, name));
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}
