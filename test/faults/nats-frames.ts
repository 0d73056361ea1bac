/** One message of the NATS protocol, whole, or one line that is no message (PING, SUB, INFO …). */
export interface Frame {
  readonly bytes: Buffer;
  readonly isMessage: boolean;
}

const WITH_PAYLOAD = /^(PUB|HPUB|MSG|HMSG) /i;
const LINE_END = "\r\n";

/** Takes a byte stream of the NATS protocol apart, in either direction. */
export class NatsFrames {
  #rest: Buffer = Buffer.alloc(0);

  /** The frames that are complete with `chunk`, in their order. */
  push(chunk: Buffer): Frame[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): Frame | undefined {
    const end = this.#rest.indexOf(LINE_END);
    if (end === -1) return undefined;
    const line = this.#rest.toString("latin1", 0, end);
    const isMessage = WITH_PAYLOAD.test(line);
    const size = end + LINE_END.length + (isMessage ? payloadSize(line) + LINE_END.length : 0);
    if (this.#rest.length < size) return undefined;
    const bytes = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(size);
    return { bytes, isMessage };
  }
}

/** The last word of the line, for each of the four. */
function payloadSize(line: string): number {
  return Number(line.slice(line.lastIndexOf(" ") + 1));
}
