import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Output } from "../protocol/output.ts";
import { STREAMS, type AttemptFolder, type StreamName } from "./attempt-folder.ts";
import { OutputCollector } from "./output-collector.ts";
import type { Redaction } from "./redactor.ts";
import type { RunEnd } from "./run-end.ts";

const CHUNK_BYTES = 131_072;
const MIB = 1_048_576;

/** What is too large about a run's output: how that makes it end. */
export type OutputTooLarge = Pick<RunEnd, "outcome" | "reason" | "message">;

/** Whether a stream of an attempt has gone beyond the bound. */
export function tooLarge(folder: AttemptFolder, maxBytes: number): OutputTooLarge | undefined {
  const stream = STREAMS.find((name) => folder.size(name) > maxBytes);
  if (stream === undefined) return undefined;
  return {
    outcome: "Failed",
    reason: "OutputTooLarge",
    message:
      `Its ${stream} went beyond ${sizeText(maxBytes)}, the most that this node keeps of a stream; ` +
      "what prints more is to be redirected into a file.",
  };
}

export interface OutputOptions {
  /** Of the text of each stream, in bytes of its JSON form. */
  readonly inlineBytes: number;
  /** Of each stream. */
  readonly maxBytes: number;
  /** What goes before anything is made of the rest; "withheld": all of it. */
  readonly redaction?: Redaction | "withheld" | undefined;
}

/**
 * What a run's process printed, up to `maxBytes` of each stream, and of what was there when this began: what
 * it left in the background may go on printing. A stream whose file is gone, cannot be read, or is no file
 * any more is left out. Text, length and hash are those of what is left after the redaction: the hash of the whole
 * would tell who tries whether a guess at a secret is right.
 */
export async function outputsOf(
  folder: AttemptFolder,
  options: OutputOptions,
): Promise<Pick<RunEnd, StreamName>> {
  const { redaction } = options;
  if (redaction === "withheld") return {};
  const [stdout, stderr] = await Promise.all(
    STREAMS.map((name) => outputOf(folder.file(name), options, redaction)),
  );
  return {
    ...(stdout === undefined ? {} : { stdout }),
    ...(stderr === undefined ? {} : { stderr }),
  };
}

async function outputOf(
  path: string,
  { inlineBytes, maxBytes }: OutputOptions,
  redaction: Redaction | undefined,
): Promise<Output | undefined> {
  let fd: number | undefined;
  try {
    fd = openOutput(path);
    const stat = fstatSync(fd);
    if (!stat.isFile()) return undefined;
    const size = Math.min(stat.size, maxBytes);
    const collector = new OutputCollector(inlineBytes);
    const redactor = redaction?.stream((bytes) => collector.push(bytes));
    await read(fd, size, redactor ?? collector);
    redactor?.end({ isCut: fstatSync(fd).size > size });
    return collector.output();
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Neither a link nor a pipe that something has put in its place is to lead or to keep the agent anywhere. */
export function openOutput(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

interface Sink {
  push(chunk: Uint8Array): void;
}

async function read(fd: number, size: number, sink: Sink): Promise<void> {
  const chunk = Buffer.allocUnsafe(Math.min(size, CHUNK_BYTES));
  let position = 0;
  while (position < size) {
    const wanted = Math.min(chunk.length, size - position);
    const bytesRead = readSync(fd, chunk, 0, wanted, position);
    if (bytesRead === 0) return;
    sink.push(chunk.subarray(0, bytesRead));
    position += bytesRead;
    // What is long leaves the others their turns. Little is read, and hashed, in less time than a turn takes.
    if (position < size) await nextTurn();
  }
}

function sizeText(bytes: number): string {
  return bytes % MIB === 0 ? `${bytes / MIB} MiB` : `${bytes} bytes`;
}
