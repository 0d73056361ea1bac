import { keyPairOf, newKeyPair, type KeyPair } from "../identity/key-pair.ts";
import { parseNodeTrust, serialiseNodeTrust, type NodeTrust } from "../identity/node-trust.ts";
import { newSealingKey, sealingKeyOf, type SealingKey } from "../identity/sealing.ts";
import { signerOf, trustIn } from "../identity/signatures.ts";
import { readJwt, type JwtFacts } from "../identity/user-jwt.ts";
import type { CommandKeySet } from "../protocol/command-keys.ts";
import type { Signer, Verify } from "../protocol/signature.ts";
import { IdentityError, type IdentityDirectory } from "./identity-directory.ts";
import type { AgentSecurity } from "./security.ts";

/** The node's credentials for the broker. */
export interface NodeCredentials {
  readonly jwt: string;
  readonly seed: string;
}

/** Keys of the node, made where they are missing. Throws an IdentityError. */
export interface NodeKeys {
  readonly node: KeyPair;
  readonly sealing: SealingKey;
}

export async function readOrMakeKeys(directory: IdentityDirectory): Promise<NodeKeys> {
  return {
    node: await readOrMakeNodeKey(directory),
    sealing: await readOrMakeSealingKey(directory),
  };
}

async function readOrMakeNodeKey(directory: IdentityDirectory): Promise<KeyPair> {
  const seed = await directory.read("node.seed");
  if (seed !== undefined) return parsed(directory, "node.seed", () => userKeyOf(seed));
  const made = newKeyPair("user");
  await directory.create("node.seed", made.seed);
  return made;
}

/** Also of use to a node that has no identity: what it is sent is sealed to this. */
export async function readOrMakeSealingKey(directory: IdentityDirectory): Promise<SealingKey> {
  const text = await directory.read("sealing.key");
  if (text !== undefined) return parsed(directory, "sealing.key", () => sealingKeyOf(text));
  const made = newSealingKey();
  await directory.create("sealing.key", made.privateKey);
  return made;
}

/** Whom the node trusts; undefined if it has not joined a cluster. Throws an IdentityError. */
export async function readTrust(directory: IdentityDirectory): Promise<NodeTrust | undefined> {
  const text = await directory.read("trust.json");
  return text === undefined
    ? undefined
    : parsed(directory, "trust.json", () => parseNodeTrust(text));
}

/**
 * Who this node is, whom it obeys, and its credentials: as they are on the disk.
 *
 * INVARIANT: nothing new is used before it is on the disk. Keys of controllers only ever give way to those of a
 * higher serial.
 */
export class NodeIdentity implements AgentSecurity {
  readonly publicKey: string;
  readonly signers: readonly Signer[];
  readonly sealingKey: SealingKey;
  readonly trust: Verify;
  readonly #directory: IdentityDirectory;
  readonly #seed: string;
  #known: NodeTrust;
  #token: KeyPair | undefined;
  #jwt: string | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** Undefined if the node has not joined a cluster. Throws an IdentityError. */
  static async open(directory: IdentityDirectory): Promise<NodeIdentity | undefined> {
    const trust = await readTrust(directory);
    if (trust === undefined) return undefined;
    const keys = await readOrMakeKeys(directory);
    const [token, jwt] = [await directory.read("token.seed"), await directory.read("node.jwt")];
    return new NodeIdentity(directory, { trust, keys, token, jwt });
  }

  private constructor(
    directory: IdentityDirectory,
    parts: {
      readonly trust: NodeTrust;
      readonly keys: NodeKeys;
      readonly token: string | undefined;
      readonly jwt: string | undefined;
    },
  ) {
    const { node, sealing } = parts.keys;
    const { token } = parts;
    this.#directory = directory;
    this.#seed = node.seed;
    this.#known = parts.trust;
    this.#token =
      token === undefined ? undefined : parsed(directory, "token.seed", () => userKeyOf(token));
    this.publicKey = node.publicKey;
    this.signers = [signerOf(node)];
    this.sealingKey = sealing;
    this.trust = trustIn(() => this.#known.commandKeys.keys);
    this.#jwt = parts.jwt !== undefined && this.isOwnCredential(parts.jwt) ? parts.jwt : undefined;
  }

  get known(): NodeTrust {
    return this.#known;
  }

  get trustSerial(): number {
    return this.#known.commandKeys.serial;
  }

  /** Of the token that is still to be used. */
  get token(): Signer | undefined {
    return this.#token === undefined ? undefined : signerOf(this.#token);
  }

  /** Undefined before the node is enrolled. */
  get credentials(): NodeCredentials | undefined {
    return this.#jwt === undefined ? undefined : { jwt: this.#jwt, seed: this.#seed };
  }

  /** What the credentials say of themselves. */
  get credentialFacts(): JwtFacts | undefined {
    return this.#jwt === undefined ? undefined : factsOf(this.#jwt);
  }

  learn(commandKeys: CommandKeySet): Promise<void> {
    return this.#inTurn(async () => {
      if (commandKeys.serial <= this.trustSerial) return;
      const known = { ...this.#known, commandKeys };
      await this.#directory.write("trust.json", serialiseNodeTrust(known));
      this.#known = known;
    });
  }

  /** Whether a JWT is for this node and its key. */
  isOwnCredential(jwt: string): boolean {
    const facts = factsOf(jwt);
    return facts?.subject === this.publicKey && facts.name === this.#known.node;
  }

  /** Takes credentials of its own over; the token is spent by then. Throws an IdentityError if they cannot be kept. */
  keepCredentials(jwt: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.#directory.write("node.jwt", jwt);
      this.#jwt = jwt;
      await this.#directory.remove("token.seed");
      this.#token = undefined;
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(work);
    this.#writing = done.catch(() => undefined);
    return done;
  }
}

function factsOf(jwt: string): JwtFacts | undefined {
  try {
    return readJwt(jwt);
  } catch {
    return undefined;
  }
}

function userKeyOf(seed: string): KeyPair {
  const pair = keyPairOf(seed);
  if (!pair.publicKey.startsWith("U")) throw new Error("it is the key of no node");
  return pair;
}

function parsed<T>(
  directory: IdentityDirectory,
  file: Parameters<IdentityDirectory["pathOf"]>[0],
  parse: () => T,
): T {
  try {
    return parse();
  } catch (thrown) {
    const fix = `remove ${directory.path} and join again with a new token`;
    throw new IdentityError(`${directory.pathOf(file)} is damaged (${fix})`, { cause: thrown });
  }
}
