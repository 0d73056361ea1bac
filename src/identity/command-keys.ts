import { z } from "zod";
import { isUserKey, keyPairOf, newKeyPair, type KeyPair } from "./key-pair.ts";
import { parsedJson } from "../runtime/json.ts";

/**
 * The keys that command: all that the controller holds sign what it says, and a node trusts a set of them. Sets are
 * numbered; a node takes over one with a higher number.
 */

export interface CommandKeys {
  readonly serial: number;
  /** The oldest first; at least one. */
  readonly pairs: readonly KeyPair[];
}

export interface PublicCommandKeys {
  readonly serial: number;
  /** The oldest first; at least one. */
  readonly keys: readonly string[];
}

/** That is no set of command keys. `message` repeats nothing of it. */
export class CommandKeysError extends Error {
  override readonly name = "CommandKeysError";
}

/** More than two are there only if rotations were never finished. */
const MAX_KEYS = 8;
const serial = z.int().min(1);
const privateSet = z.strictObject({
  serial,
  seeds: z.array(z.string()).min(1).max(MAX_KEYS),
});
/** `{"serial": 1, "keys": ["U…"]}` */
export const publicCommandKeys = z.strictObject({
  serial,
  keys: z.array(z.string().refine(isUserKey)).min(1).max(MAX_KEYS).readonly(),
});

export function newCommandKeys(): CommandKeys {
  return { serial: 1, pairs: [newKeyPair("user")] };
}

/** The next set: with one more key, which nodes learn of while the older ones still sign. */
export function withNewCommandKey({ serial: number, pairs }: CommandKeys): CommandKeys {
  if (pairs.length >= MAX_KEYS) {
    throw new CommandKeysError(`there are ${MAX_KEYS} command keys: finish the rotation first`);
  }
  return { serial: number + 1, pairs: [...pairs, newKeyPair("user")] };
}

/** The next set: only the newest key is left. The same set if that is so already. */
export function withNewestCommandKey(keys: CommandKeys): CommandKeys {
  return keys.pairs.length === 1 ? keys : { serial: keys.serial + 1, pairs: keys.pairs.slice(-1) };
}

export function publicHalfOf({ serial: number, pairs }: CommandKeys): PublicCommandKeys {
  return { serial: number, keys: pairs.map(({ publicKey }) => publicKey) };
}

/** `command-keys.json`: `{"serial": 1, "seeds": ["SU…"]}`. */
export function serialiseCommandKeys({ serial: number, pairs }: CommandKeys): string {
  return json({ serial: number, seeds: pairs.map(({ seed }) => seed) });
}

/** `command-keys.pub.json`: `{"serial": 1, "keys": ["U…"]}`. */
export function serialisePublicCommandKeys({ serial: number, keys }: PublicCommandKeys): string {
  return json({ serial: number, keys });
}

/** Throws a CommandKeysError. */
export function parseCommandKeys(text: string): CommandKeys {
  const parsed = privateSet.safeParse(parsedJson(text));
  const expected = 'expected {"serial": 1, "seeds": ["SU…"]}';
  if (!parsed.success) throw new CommandKeysError(expected);
  try {
    const pairs = parsed.data.seeds.map(keyPairOf);
    if (pairs.every(({ publicKey }) => isUserKey(publicKey))) {
      return { serial: parsed.data.serial, pairs };
    }
  } catch {
    // Said below: the seed must not be.
  }
  throw new CommandKeysError(`${expected}: a seed is damaged, or that of another kind of key`);
}

/** Throws a CommandKeysError. */
export function parsePublicCommandKeys(text: string): PublicCommandKeys {
  const parsed = publicCommandKeys.safeParse(parsedJson(text));
  if (!parsed.success) throw new CommandKeysError('expected {"serial": 1, "keys": ["U…"]}');
  return parsed.data;
}

function json(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
