/**
 * The files of the four key sets. A set is a Secret `steward-<set>` or a directory `<dir>/<set>/` with the same names
 * in it, so that a mounted Secret and a local directory look the same.
 *
 * In each set a file stands after those that it is made from: who writes them in this order and is stopped leaves
 * what can be completed.
 */
export const KEY_SETS = {
  /** What all trust comes from; nobody needs it while things run. */
  identity: ["operator.seed", "system-account.seed", "fleet-account.seed", "ca.key", "ca.crt"],
  /** What the controller runs with. */
  controller: [
    "operator-signing.seed",
    "node-signing.seed",
    "command-keys.json",
    "controller.seed",
    "system.seed",
    "controller.jwt",
    "system.jwt",
    "fleet-account.jwt",
    "ca.crt",
    "enrollment.jwt",
  ],
  /** What the broker runs with. */
  nats: [
    "operator.jwt",
    "system-account.jwt",
    "fleet-account.jwt",
    "system-account.pub",
    "fleet-account.pub",
    "tls.key",
    "tls.crt",
    "ca.crt",
  ],
  /** Public: what goes into join tokens. `servers.json` is a list of the URLs that agents dial. */
  enrollment: ["ca.crt", "command-keys.pub.json", "enrollment.jwt", "servers.json"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type KeySetName = keyof typeof KEY_SETS;

/** `set/file`. */
export type KeyFile = {
  readonly [S in KeySetName]: `${S}/${(typeof KEY_SETS)[S][number]}`;
}[KeySetName];

/** The text of each file that is there. */
export type KeyFiles = ReadonlyMap<KeyFile, string>;

/** What there is to be written. */
export interface KeyFileChange {
  readonly file: KeyFile;
  readonly text: string;
  /** What must be there for it to be written; undefined: nothing. */
  readonly replaces: string | undefined;
}

/** A file that is wrong, or is missing and cannot be made. `message` names it and the fix, and repeats no secret. */
export class KeySetError extends Error {
  override readonly name = "KeySetError";
  readonly file: KeyFile;

  constructor(file: KeyFile, problem: string, options?: ErrorOptions) {
    super(`${file}: ${problem}`, options);
    this.file = file;
  }
}

export const KEY_SET_NAMES: readonly KeySetName[] = [
  "identity",
  "controller",
  "nats",
  "enrollment",
];

/** In the order in which they are to be written. */
export const KEY_FILES: readonly KeyFile[] = KEY_SET_NAMES.flatMap((set) => filesOf(set));

export function filesOf(set: KeySetName): readonly KeyFile[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of the set and its own names
  return KEY_SETS[set].map((name) => `${set}/${name}` as KeyFile);
}

/** The set and the name in it. */
export function partsOf(file: KeyFile): { readonly set: KeySetName; readonly name: string } {
  const [set = "", name = ""] = file.split("/");
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a KeyFile begins with one
  return { set: set as KeySetName, name };
}
