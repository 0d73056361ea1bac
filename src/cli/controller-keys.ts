import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { CommandKeys } from "../controller/security.ts";
import { parseCommandKeys, publicHalfOf } from "../identity/command-keys.ts";
import { keyPairOf, type KeyPair } from "../identity/key-pair.ts";
import { KEY_SETS } from "../identity/key-set-layout.ts";
import { signerOf } from "../identity/signatures.ts";
import { readJwt } from "../identity/user-jwt.ts";
import type { NatsCredentials } from "../nats/credentials.ts";
import type { Clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";

/** The key set of a controller. */
export interface ControllerKeys {
  readonly commandKeys: CommandKeys;
  /** Who the controller is to the broker, in the account of the nodes and in the system account. */
  readonly user: NatsCredentials;
  readonly system: NatsCredentials;
  /** PEM: who vouches for the broker. */
  readonly ca: string;
  readonly operatorSigning: KeyPair;
  readonly nodeSigning: KeyPair;
  /** Public key of the account of the nodes. */
  readonly account: string;
  /** Public keys of the users of that account that are no nodes. */
  readonly ownUsers: readonly string[];
}

type FileName = (typeof KEY_SETS.controller)[number];
type Texts = Readonly<Record<FileName, string>>;

/** A mounted Secret follows the Secret within a minute: to look much more often brings nothing. */
const POLL_MS = 10_000;

/** The keys in a directory, followed as they change there. */
export class FollowedKeys {
  readonly #directory: string;
  #texts: Texts;
  #keys: ControllerKeys;

  private constructor(directory: string, texts: Texts) {
    this.#directory = directory;
    this.#texts = texts;
    this.#keys = keysOf(texts);
  }

  /** Throws an Error that names the file that is missing or wrong. */
  static async open(directory: string): Promise<FollowedKeys> {
    return new FollowedKeys(directory, await readTexts(directory));
  }

  get current(): ControllerKeys {
    return this.#keys;
  }

  /** A supervised process. What cannot be read leaves everything as it is. */
  async follow(signal: AbortSignal, clock: Clock, logger: Logger): Promise<void> {
    let problem: string | undefined;
    while (!signal.aborted) {
      await clock.sleep(POLL_MS, signal);
      try {
        if (!signal.aborted && (await this.#reread())) {
          logger.info({ serial: this.#keys.commandKeys.set.serial }, "the keys have changed");
        }
        problem = undefined;
      } catch (thrown) {
        const message = errorMessage(thrown);
        if (message !== problem) {
          logger.error({}, `the keys in --keys-dir are left as they were: ${message}`);
        }
        problem = message;
      }
    }
  }

  async #reread(): Promise<boolean> {
    const texts = await readTexts(this.#directory);
    if (isDeepStrictEqual(texts, this.#texts)) return false;
    this.#keys = keysOf(texts);
    this.#texts = texts;
    return true;
  }
}

async function readTexts(directory: string): Promise<Texts> {
  const entries = await Promise.all(
    KEY_SETS.controller.map(async (name) => [name, await readText(directory, name)] as const),
  );
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of all the names
  return Object.fromEntries(entries) as Texts;
}

async function readText(directory: string, name: string): Promise<string> {
  try {
    return await readFile(join(directory, name), "utf8");
  } catch (thrown) {
    throw new Error(
      `--keys-dir: ${name} cannot be read there (${errorMessage(thrown)}): run steward bootstrap, and name the ` +
        "directory of its controller set or where the Secret steward-controller is mounted",
      { cause: thrown },
    );
  }
}

function keysOf(texts: Texts): ControllerKeys {
  const parsed = <T>(name: FileName, parse: (text: string) => T): T => {
    try {
      return parse(texts[name]);
    } catch (thrown) {
      throw new Error(`--keys-dir: ${name}: ${errorMessage(thrown)}`, { cause: thrown });
    }
  };
  const commandKeys = parsed("command-keys.json", parseCommandKeys);
  const { serial, keys } = publicHalfOf(commandKeys);
  const subjects = (["controller.jwt", "enrollment.jwt"] as const).map(
    (name) => parsed(name, readJwt).subject,
  );
  return {
    commandKeys: {
      signers: commandKeys.pairs.map(signerOf),
      set: { serial, keys: [...keys] },
    },
    user: { jwt: texts["controller.jwt"].trim(), seed: parsed("controller.seed", seedIn) },
    system: { jwt: texts["system.jwt"].trim(), seed: parsed("system.seed", seedIn) },
    ca: texts["ca.crt"],
    operatorSigning: parsed("operator-signing.seed", keyPairOf),
    nodeSigning: parsed("node-signing.seed", keyPairOf),
    account: parsed("fleet-account.jwt", readJwt).subject,
    ownUsers: subjects,
  };
}

function seedIn(text: string): string {
  return keyPairOf(text).seed;
}
