import { createHash } from "node:crypto";
import { z } from "zod";
import { errorMessage } from "../runtime/errors.ts";
import {
  ANYONE,
  preAuthenticationEncoding,
  type Signer,
  type Trust,
  type Verify,
} from "./signature.ts";

/**
 * The frame of every message: DSSE (secure-systems-lab, protocol v1.0.2) in its JSON form. The payload's
 * bytes travel in base64; the signatures cover exactly them, and they are parsed exactly as they came, after a
 * signature was found good.
 */
const envelope = z.strictObject({
  payloadType: z.string().max(128),
  payload: z.base64(),
  signatures: z
    .array(z.strictObject({ keyid: z.string().max(128), sig: z.base64().max(128) }))
    .max(8),
});
type Envelope = z.infer<typeof envelope>;

/** A reason quotes the sender's own words (an unknown field): this many characters of them at most. */
const MAX_REASON = 256;

/** One kind of message in one version. */
export interface MessageType<T> {
  readonly name: string;
  readonly version: number;
  readonly schema: z.ZodType<T>;
  readonly isReply?: never;
}

/** One kind of reply to a request, in one version. */
export interface ReplyType<T> {
  readonly name: string;
  readonly version: number;
  readonly schema: z.ZodType<T>;
  readonly isReply: true;
}
type AnyType = MessageType<unknown> | ReplyType<unknown>;

/** A message that does not say what its subject promises. `message` names the field and the reason. */
export class MalformedMessageError extends Error {
  override readonly name = "MalformedMessageError";
}

/** A message of the right kind in a version that this build does not speak. */
export class UnsupportedVersionError extends MalformedMessageError {}

/** A message of nobody who may speak here: it has no signature, or none that is good and of a trusted key. */
export class UntrustedMessageError extends MalformedMessageError {}

/** The media type of a message: `application/vnd.steward.<name>.v<version>+json`. */
export function payloadType(type: AnyType): string {
  return `application/vnd.steward.${type.name}.v${type.version}+json`;
}

export function encodeMessage<T>(
  type: MessageType<T>,
  message: T,
  signers: readonly Signer[],
): Uint8Array {
  return framed(type, message, signers);
}

/**
 * Verifies, then parses and validates. Throws MalformedMessageError, and nothing else, whatever the bytes: an
 * UntrustedMessageError before a byte of the payload is parsed.
 */
export function decodeMessage<T>(type: MessageType<T>, bytes: Uint8Array, trust: Trust): T {
  return validated(type.schema, unframed(type, bytes, trust), "payload");
}

/**
 * As `decodeMessage`, of a message that says itself by which keys it has to be signed: `signedBy` are all whose
 * signature is good, of which there is at least one. What it says is nobody's word until they were compared.
 */
export function decodeSelfSigned<T>(
  type: MessageType<T>,
  bytes: Uint8Array,
  isGood: Verify,
): { readonly message: T; readonly signedBy: ReadonlySet<string> } {
  const opened = openedFrame(bytes);
  const signedBy = new Set(goodSignatures(opened, isGood).map(({ keyid }) => keyid));
  if (signedBy.size === 0) throw new UntrustedMessageError("envelope.signatures: none is good");
  return { message: validated(type.schema, payloadIn(opened, type), "payload"), signedBy };
}

/** A reply says which request it answers, byte by byte: it cannot be taken for one to another. */
export function encodeReply<T>(
  type: ReplyType<T>,
  message: T,
  { request, signers }: { readonly request: Uint8Array; readonly signers: readonly Signer[] },
): Uint8Array {
  return framed(type, { request: digestOf(request), reply: message }, signers);
}

/** As `decodeMessage`; what answers another request is malformed. */
export function decodeReply<T>(
  type: ReplyType<T>,
  bytes: Uint8Array,
  { request, trust }: { readonly request: Uint8Array; readonly trust: Trust },
): T {
  const payload = validated(replyFrame, unframed(type, bytes, trust), "payload");
  if (payload.request !== digestOf(request)) {
    throw new MalformedMessageError("payload.request: it is the reply to another request");
  }
  return validated(type.schema, payload.reply, "payload.reply");
}

const replyFrame = z.strictObject({ request: z.string().length(64), reply: z.unknown() });

function digestOf(request: Uint8Array): string {
  return createHash("sha256").update(request).digest("hex");
}

function framed(type: AnyType, content: unknown, signers: readonly Signer[]): Uint8Array {
  const payload = Buffer.from(JSON.stringify(content));
  const mediaType = payloadType(type);
  const signed = preAuthenticationEncoding(mediaType, payload);
  const frame: Envelope = {
    payloadType: mediaType,
    payload: payload.toString("base64"),
    signatures: signers.map((signer) => ({
      keyid: signer.keyID,
      sig: Buffer.from(signer.sign(signed)).toString("base64"),
    })),
  };
  return Buffer.from(JSON.stringify(frame));
}

interface OpenedFrame extends Omit<Envelope, "payload"> {
  readonly payload: Uint8Array;
}

function openedFrame(bytes: Uint8Array): OpenedFrame {
  const frame = validated(envelope, parsed(bytes, "envelope"), "envelope");
  return { ...frame, payload: Buffer.from(frame.payload, "base64") };
}

function unframed(type: AnyType, bytes: Uint8Array, trust: Trust): unknown {
  const opened = openedFrame(bytes);
  if (trust !== ANYONE) verify(opened, trust);
  return payloadIn(opened, type);
}

function payloadIn(opened: OpenedFrame, type: AnyType): unknown {
  if (opened.payloadType !== payloadType(type)) throw wrongType(type, opened.payloadType);
  return parsed(opened.payload, "payload");
}

/** One good signature of a trusted key is enough: a sender that changes keys signs with both for a while. */
function verify(opened: OpenedFrame, isGood: Verify): void {
  if (opened.signatures.length === 0)
    throw new UntrustedMessageError("envelope.signatures: it is not signed");
  if (goodSignatures(opened, isGood).length === 0) {
    throw new UntrustedMessageError(
      "envelope.signatures: none is good and of a key that is trusted",
    );
  }
}

function goodSignatures(
  { payloadType: signedType, payload, signatures }: OpenedFrame,
  isGood: Verify,
): Envelope["signatures"] {
  const signed = preAuthenticationEncoding(signedType, payload);
  return signatures.filter(({ keyid, sig }) => isGood(keyid, signed, Buffer.from(sig, "base64")));
}

function wrongType(type: AnyType, got: string): MalformedMessageError {
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
