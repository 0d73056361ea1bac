import { readdirSync, readFileSync } from "node:fs";
import { signerOf } from "../../src/identity/signatures.ts";
import {
  decodeMessage,
  decodeReply,
  encodeMessage,
  encodeReply,
  type MessageType,
  type ReplyType,
} from "../../src/protocol/envelope.ts";
import type { Signer, Trust } from "../../src/protocol/signature.ts";
import { isObject } from "./json-walk.ts";
import { CONTROLLER_SIGNERS, NODE_SIGNERS, TOKEN_KEY } from "./test-keys.ts";

const PROTOCOL = new URL("../../src/protocol/", import.meta.url);
const FIXTURES = new URL("../fixtures/protocol/", import.meta.url);

export type AnyMessageType = MessageType<unknown> | ReplyType<unknown>;

/** What every golden reply answers: a reply names its request by digest. */
const GOLDEN_REQUEST: Uint8Array = Buffer.from("the request of all golden replies");

const SAID_BY_NODES: readonly string[] = ["hello", "result", "error", "ack", "enroll"];

/** Every MessageType and ReplyType that a module of src/protocol exports. */
export async function exportedMessageTypes(): Promise<AnyMessageType[]> {
  const files = readdirSync(PROTOCOL).filter((file) => file.endsWith(".ts"));
  const modules = await Promise.all(
    files.map((file): Promise<object> => import(new URL(file, PROTOCOL).href)),
  );
  return modules.flatMap((module) => Object.values(module).filter(isMessageType));
}

function isMessageType(value: unknown): value is AnyMessageType {
  return (
    typeof value === "object" &&
    value !== null &&
    ["name", "version", "schema"].every((key) => key in value)
  );
}

export interface GoldenMessage {
  /** `ack.known`: the message, and which of its forms. */
  readonly name: string;
  readonly type: AnyMessageType;
  readonly payload: unknown;
  /** The exact bytes on the wire. */
  readonly wire: Uint8Array;
}

/**
 * The golden messages in test/fixtures/protocol/v<version>: `<message>[.<form>].json` is the payload,
 * `<message>[.<form>].wire.json` the bytes on the wire, signed with the keys of test-keys.ts. They are frozen:
 * agents in the field speak them. What cannot be said with them any more is a new version of the message.
 */
export async function goldenMessages(): Promise<GoldenMessage[]> {
  const types = await exportedMessageTypes();
  return types.flatMap((type) => {
    const folder = new URL(`v${type.version}/`, FIXTURES);
    return readdirSync(folder)
      .filter((file) => file.split(".")[0] === type.name && !file.endsWith(".wire.json"))
      .map((file) => {
        const name = file.replace(/\.json$/, "");
        const payload: unknown = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
        return { name, type, payload, wire: readFileSync(new URL(`${name}.wire.json`, folder)) };
      });
  });
}

/** Who says such a message, and with what keys. */
export function goldenSigners({ name }: AnyMessageType, payload: unknown): readonly Signer[] {
  if (!SAID_BY_NODES.includes(name)) return CONTROLLER_SIGNERS;
  const hasToken = name === "enroll" && isObject(payload) && "token" in payload;
  return hasToken ? [...NODE_SIGNERS, signerOf(TOKEN_KEY)] : NODE_SIGNERS;
}

export interface Frame {
  readonly payloadType: string;
  readonly payload: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

/** The frame of a message before it is made bytes, to be changed. */
export function goldenFrame(
  type: AnyMessageType,
  payload: unknown,
  signers = goldenSigners(type, payload),
): Frame {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what was encoded a moment ago
  return JSON.parse(Buffer.from(encodeGolden(type, payload, signers)).toString()) as Frame;
}

export function encodeGolden(
  type: AnyMessageType,
  payload: unknown,
  signers = goldenSigners(type, payload),
): Uint8Array {
  return type.isReply === true
    ? encodeReply(type, payload, { request: GOLDEN_REQUEST, signers })
    : encodeMessage(type, payload, signers);
}

export function decodeGolden(type: AnyMessageType, wire: Uint8Array, trust: Trust): unknown {
  return type.isReply === true
    ? decodeReply(type, wire, { request: GOLDEN_REQUEST, trust })
    : decodeMessage(type, wire, trust);
}
