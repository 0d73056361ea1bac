import { closeSync, fstatSync, readSync, writeSync } from "node:fs";

/** As long as the most that may come, and no line. */
const ROOM = "............";

/** Takes the room for what a wrapper writes to its `exit`, whose position stays at the beginning. */
export function makeRoom(exit: number): void {
  writeSync(exit, Buffer.from(ROOM), 0, ROOM.length, 0);
}

/** How far a wrapper has come: a number is the status of its command, "none" that it got no process for it. */
export type Progress = "unbegun" | "lost" | "begun" | "none" | number;

/**
 * What a wrapper leaves for whoever comes after it (see `WRAPPER_SCRIPT`). Held open: a command that removes
 * the agent's files does not change what was said.
 */
export class LastWords {
  readonly #exit: number;
  readonly #wrapper: number;

  /** Takes over the descriptors of the files `exit` and `wrapper`. */
  constructor(exit: number, wrapper: number) {
    this.#exit = exit;
    this.#wrapper = wrapper;
  }

  progress(): Progress {
    const bytes = Buffer.alloc(ROOM.length);
    const text = bytes.toString("latin1", 0, readSync(this.#exit, bytes, 0, bytes.length, 0));
    // What a wrapper writes over it never makes it shorter: somebody else did.
    if (text.length < ROOM.length) return "lost";
    const [first, second = "", ...rest] = text.split("\n");
    if (first !== "begun") return "unbegun";
    // Not a line yet.
    if (rest.length === 0) return "begun";
    return second === "none" ? "none" : Number(second);
  }

  /** Whether the shell had something to say of how the command ended. */
  spoke(): boolean {
    return fstatSync(this.#wrapper).size > 0;
  }

  close(): void {
    closeSync(this.#exit);
    closeSync(this.#wrapper);
  }
}
