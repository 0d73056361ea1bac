import type { Frame } from "../support/golden-messages.ts";
import { isObject } from "../support/json-walk.ts";

/** A message on its subject, as who is on the broker sees it. */
export interface Said {
  readonly subject: string;
  readonly data: Uint8Array;
}

/** Throws on what is no frame: what was captured is one. */
export function frameOf(data: Uint8Array): Frame {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only of messages that Steward itself has made
  return JSON.parse(Buffer.from(data).toString()) as Frame;
}

export function bytesOf(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/**
 * What a message says on its subject: frames with the same content say the same, however they are written.
 * Undefined for what is no frame at all.
 */
export function contentOf({ subject, data }: Said): string | undefined {
  try {
    const frame: unknown = JSON.parse(new TextDecoder().decode(data));
    if (!isObject(frame) || typeof frame["payload"] !== "string") return undefined;
    const payload = Buffer.from(frame["payload"], "base64").toString("base64");
    return JSON.stringify([subject, frame["payloadType"], payload]);
  } catch {
    return undefined;
  }
}
