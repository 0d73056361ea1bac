import { z } from "zod";
import { errorMessage } from "../runtime/errors.ts";

/**
 * The frame of every message: DSSE (secure-systems-lab, protocol v1.0.2) in its JSON form. The payload's
 * bytes travel in base64 and are parsed exactly as they came, so that a signature can cover them.
 * `signatures` is the place for that; until nodes have identities it is empty.
 */
const envelope = z.strictObject({
  payloadType: z.string().max(128),
  payload: z.base64(),
  signatures: z.array(z.never()).max(0),
});

/** A reason quotes the sender's own words (an unknown field): this many characters of them at most. */
const MAX_REASON = 256;

/** One kind of message in one version. */
export interface MessageType<T> {
  readonly name: string;
  readonly version: number;
  readonly schema: z.ZodType<T>;
}

/** A message that does not say what its subject promises. `message` names the field and the reason. */
export class MalformedMessageError extends Error {
  override readonly name = "MalformedMessageError";
}

/** A message of the right kind in a version that this build does not speak. */
export class UnsupportedVersionError extends MalformedMessageError {}

/** The media type of a message: `application/vnd.steward.<name>.v<version>+json`. */
export function payloadType(type: MessageType<unknown>): string {
  return `application/vnd.steward.${type.name}.v${type.version}+json`;
}

export function encodeMessage<T>(type: MessageType<T>, message: T): Uint8Array {
  const payload = Buffer.from(JSON.stringify(message)).toString("base64");
  const frame = { payloadType: payloadType(type), payload, signatures: [] };
  return Buffer.from(JSON.stringify(frame));
}

/** Parses and validates. Throws MalformedMessageError, and nothing else, whatever the bytes. */
export function decodeMessage<T>(type: MessageType<T>, bytes: Uint8Array): T {
  const frame = validated(envelope, parsed(bytes, "envelope"), "envelope");
  if (frame.payloadType !== payloadType(type)) throw wrongType(type, frame.payloadType);
  const payload = parsed(Buffer.from(frame.payload, "base64"), "payload");
  return validated(type.schema, payload, "payload");
}

function wrongType(type: MessageType<unknown>, got: string): MalformedMessageError {
  const wanted = payloadType(type);
  const sameKind = got.startsWith(`application/vnd.steward.${type.name}.v`);
  const ErrorClass = sameKind ? UnsupportedVersionError : MalformedMessageError;
  return new ErrorClass(`envelope.payloadType: expected ${wanted}, got ${JSON.stringify(got)}`);
}

function parsed(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (thrown) {
    throw new MalformedMessageError(`${what}: not JSON in UTF-8`, { cause: thrown });
  }
}

function validated<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  try {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    const path = [what, ...(issue?.path ?? [])].join(".");
    const reason = (issue?.message ?? "invalid").slice(0, MAX_REASON).toWellFormed();
    throw new MalformedMessageError(`${path}: ${reason}`);
  } catch (thrown) {
    if (thrown instanceof MalformedMessageError) throw thrown;
    throw new MalformedMessageError(`${what}: ${errorMessage(thrown)}`, { cause: thrown });
  }
}
