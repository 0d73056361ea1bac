import { readFileSync } from "node:fs";

import { encodeNodeJwt } from "../src/identity/claims.ts";
import { newKeyPair } from "../src/identity/key-pair.ts";
import { newSealingKey, seal, unseal } from "../src/identity/sealing.ts";
import { signerOf, trustIn } from "../src/identity/signatures.ts";
import { ackMessage } from "../src/protocol/ack.ts";
import { commandMessage } from "../src/protocol/command.ts";
import {
  decodeMessage,
  decodeReply,
  encodeMessage,
  encodeReply,
  type MessageType,
  type ReplyType,
} from "../src/protocol/envelope.ts";
import { receiptMessage, resultMessage } from "../src/protocol/result.ts";
import { sealingContext } from "../src/protocol/sealed-inputs.ts";
import { ANYONE, NO_SIGNERS, type Signer, type Trust } from "../src/protocol/signature.ts";
import { mediansUs, type Sampling } from "./microseconds.ts";

/** In microseconds. */
export interface EnvelopeFigures {
  readonly encodeUs: number;
  readonly encodeUnsignedUs: number;
  readonly decodeUs: number;
  readonly decodeUnsignedUs: number;
}

export interface SealingFigures {
  readonly sealUs: number;
  readonly unsealUs: number;
}

/** What is said for a command that ends within a second. */
export const SAID = ["command", "ack", "result", "receipt"] as const;
export type Said = (typeof SAID)[number];

const FIXTURES = new URL("../test/fixtures/protocol/v1/", import.meta.url);
const SECRET_BYTES = 64;
const JWT_LIFE_MS = 86_400_000;
const JWT_WARM_UP = 50;

/** Both ways of one kind of message. */
interface Speech {
  readonly encode: (signers: readonly Signer[]) => Uint8Array;
  readonly decode: (bytes: Uint8Array, trust: Trust) => unknown;
}

/** The messages are the golden ones of the tests. */
export async function measureEnvelopes(sampling: Sampling): Promise<Record<Said, EnvelopeFigures>> {
  const command = speech(commandMessage, "command");
  const result = speech(resultMessage, "result");
  const offered = command.encode(NO_SIGNERS);
  const reported = result.encode(NO_SIGNERS);
  return {
    command: await envelopeFigures(command, sampling),
    ack: await envelopeFigures(answer(ackMessage, "ack.accepted", offered), sampling),
    result: await envelopeFigures(result, sampling),
    receipt: await envelopeFigures(answer(receiptMessage, "receipt.stored", reported), sampling),
  };
}

function envelopeFigures({ encode, decode }: Speech, sampling: Sampling): Promise<EnvelopeFigures> {
  const key = newKeyPair("user");
  const signers = [signerOf(key)];
  const trust = trustIn(() => [key.publicKey]);
  const signed = encode(signers);
  const unsigned = encode(NO_SIGNERS);
  return mediansUs(
    {
      encodeUs: () => encode(signers),
      encodeUnsignedUs: () => encode(NO_SIGNERS),
      decodeUs: () => decode(signed, trust),
      decodeUnsignedUs: () => decode(unsigned, ANYONE),
    },
    sampling,
  );
}

function speech<T>(type: MessageType<T>, fixture: string): Speech {
  const message = golden(type, fixture);
  return {
    encode: (signers) => encodeMessage(type, message, signers),
    decode: (bytes, trust) => decodeMessage(type, bytes, trust),
  };
}

function answer<T>(type: ReplyType<T>, fixture: string, request: Uint8Array): Speech {
  const message = golden(type, fixture);
  return {
    encode: (signers) => encodeReply(type, message, { request, signers }),
    decode: (bytes, trust) => decodeReply(type, bytes, { request, trust }),
  };
}

function golden<T>({ schema }: MessageType<T> | ReplyType<T>, fixture: string): T {
  return schema.parse(JSON.parse(readFileSync(new URL(`${fixture}.json`, FIXTURES), "utf8")));
}

/** Of a secret of 64 bytes. */
export function measureSealing(sampling: Sampling): Promise<SealingFigures> {
  const key = newSealingKey();
  const secret = Buffer.alloc(SECRET_BYTES, "s");
  const context = sealingContext(golden(commandMessage, "command"));
  const box = seal(secret, key.publicKey, context);
  return mediansUs(
    {
      sealUs: () => seal(secret, key.publicKey, context),
      unsealUs: () => unseal(box, key, context),
    },
    sampling,
  );
}

/** Milliseconds for so many JWTs, one after the other, as a controller makes them that has been running. */
export async function measureMinting(count: number): Promise<number> {
  const signer = newKeyPair("account");
  const account = newKeyPair("account").publicKey;
  const expiresAt = Date.now() + JWT_LIFE_MS;
  const keys = Array.from({ length: count }, () => newKeyPair("user").publicKey);
  const mint = async (publicKeys: readonly string[]): Promise<void> => {
    for (const [index, publicKey] of publicKeys.entries()) {
      await encodeNodeJwt({ node: `node-${index}`, publicKey, account, expiresAt }, signer);
    }
  };
  await mint(keys.slice(0, JWT_WARM_UP));
  const start = performance.now();
  await mint(keys);
  return performance.now() - start;
}
