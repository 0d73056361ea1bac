import {
  CommandKeysError,
  newCommandKeys,
  parseCommandKeys,
  parsePublicCommandKeys,
  publicHalfOf,
  serialiseCommandKeys,
  serialisePublicCommandKeys,
} from "./command-keys.ts";
import { InvalidKeyError, keyPairOf, newKeyPair, type KeyKind, type KeyPair } from "./key-pair.ts";
import type { KeySetDraft } from "./key-set-draft.ts";
import { KeySetError, type KeyFile } from "./key-set-layout.ts";

interface SeedFile {
  readonly file: KeyFile;
  readonly kind: KeyKind;
  /** None of these can be without it: a new key would not be the one that they name. */
  readonly namedBy: readonly KeyFile[];
}

const ACCOUNT_JWTS: readonly KeyFile[] = ["nats/fleet-account.jwt", "controller/fleet-account.jwt"];

const SEED_FILES = {
  operator: { file: "identity/operator.seed", kind: "operator", namedBy: ["nats/operator.jwt"] },
  systemAccount: {
    file: "identity/system-account.seed",
    kind: "account",
    namedBy: [
      "nats/operator.jwt",
      "nats/system-account.jwt",
      "nats/system-account.pub",
      "controller/system.jwt",
    ],
  },
  fleetAccount: {
    file: "identity/fleet-account.seed",
    kind: "account",
    namedBy: [
      ...ACCOUNT_JWTS,
      "nats/fleet-account.pub",
      "controller/controller.jwt",
      "controller/system.jwt",
      "controller/enrollment.jwt",
      "enrollment/enrollment.jwt",
    ],
  },
  operatorSigning: {
    file: "controller/operator-signing.seed",
    kind: "operator",
    namedBy: ["nats/operator.jwt", "nats/system-account.jwt", ...ACCOUNT_JWTS],
  },
  nodeSigning: { file: "controller/node-signing.seed", kind: "account", namedBy: ACCOUNT_JWTS },
  controller: {
    file: "controller/controller.seed",
    kind: "user",
    namedBy: ["controller/controller.jwt"],
  },
  system: { file: "controller/system.seed", kind: "user", namedBy: ["controller/system.jwt"] },
} as const satisfies Readonly<Record<string, SeedFile>>;

/** By what each key is for. */
export type SeedKeys = Readonly<Record<keyof typeof SEED_FILES, KeyPair>>;

const PREFIX = { operator: "O", account: "A", user: "U" } as const;

/** Reads the seeds that are there and makes those that are not. Throws a KeySetError. */
export function completeSeeds(draft: KeySetDraft): SeedKeys {
  const complete = (name: keyof typeof SEED_FILES): KeyPair =>
    completeSeed(draft, SEED_FILES[name]);
  return {
    operator: complete("operator"),
    systemAccount: complete("systemAccount"),
    fleetAccount: complete("fleetAccount"),
    operatorSigning: complete("operatorSigning"),
    nodeSigning: complete("nodeSigning"),
    controller: complete("controller"),
    system: complete("system"),
  };
}

/** The same for the keys that command, and their public half. */
export function completeCommandKeys(draft: KeySetDraft): void {
  const file = "controller/command-keys.json";
  const publicFile = "enrollment/command-keys.pub.json";
  if (!draft.has(file)) refuseIfNamed(draft, file, [publicFile]);
  draft.make(file, serialiseCommandKeys(newCommandKeys()));
  const own = publicHalfOf(parsed(file, draft.get(file), parseCommandKeys));
  const published = draft.get(publicFile);
  if (published === undefined) {
    draft.make(publicFile, serialisePublicCommandKeys(own));
    return;
  }
  const there = parsed(publicFile, published, parsePublicCommandKeys);
  // A rotation that was stopped half-way has changed the one and not yet the other.
  if (there.serial < own.serial) draft.renew(publicFile, serialisePublicCommandKeys(own));
  else if (there.serial > own.serial || there.keys.join() !== own.keys.join()) {
    throw new KeySetError(publicFile, `is not the public half of ${file}: ${REMAKE}`);
  }
}

const REMAKE = "remove it, and it is made again";

/** For what a new key would make worthless: says which key is to be put back. */
export function refuseIfNamed(
  draft: KeySetDraft,
  file: KeyFile,
  namedBy: readonly KeyFile[],
): void {
  const naming = namedBy.filter((one) => draft.has(one));
  if (naming.length === 0) return;
  throw new KeySetError(
    file,
    `is missing, and ${naming.join(", ")} ${naming.length === 1 ? "was" : "were"} made with it: put it back ` +
      "from a backup, or remove those too to have all of it made anew (nodes must then enrol again)",
  );
}

function completeSeed(draft: KeySetDraft, { file, kind, namedBy }: SeedFile): KeyPair {
  const text = draft.get(file);
  if (text === undefined) {
    refuseIfNamed(draft, file, namedBy);
    const pair = newKeyPair(kind);
    draft.make(file, `${pair.seed}\n`);
    return pair;
  }
  const pair = parsed(file, text, keyPairOf);
  if (pair.publicKey.startsWith(PREFIX[kind])) return pair;
  throw new KeySetError(file, `expected the seed of a key of kind ${kind} (S${PREFIX[kind]}…)`);
}

function parsed<T>(file: KeyFile, text = "", parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof InvalidKeyError || cause instanceof CommandKeysError)) throw cause;
    throw new KeySetError(file, cause.message, { cause });
  }
}
