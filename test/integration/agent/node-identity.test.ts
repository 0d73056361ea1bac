import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  accessProblem,
  IdentityDirectory,
  type IdentityFile,
} from "../../../src/agent/identity-directory.ts";
import { NodeIdentity, readOrMakeKeys } from "../../../src/agent/node-identity.ts";
import { serialiseNodeTrust, type NodeTrust } from "../../../src/identity/node-trust.ts";
import { newKeyPair } from "../../../src/identity/key-pair.ts";
import { seal, unseal } from "../../../src/identity/sealing.ts";
import { CONTROLLER_KEY, NODE_KEY, TOKEN_KEY } from "../../support/test-keys.ts";

const BYTES = Buffer.from("what is signed");
const OTHER = newKeyPair("user");
const TRUST: NodeTrust = {
  servers: ["tls://broker.example.com:4222"],
  node: "ship1",
  namespace: "fleet",
  clusterID: "c1c1c1c1-0000-4000-8000-000000000001",
  ca: "CA",
  commandKeys: { serial: 2, keys: [CONTROLLER_KEY.publicKey] },
  enrollmentJwt: "e.e.e",
};

let dataDir: string;
let directory: IdentityDirectory;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "steward-identity-"));
  directory = new IdentityDirectory(dataDir);
});
afterEach(() => {
  rmSync(dataDir, { recursive: true, force: true });
});

/** What a node has that has joined. */
async function joined(files: Partial<Record<IdentityFile, string>> = {}): Promise<NodeIdentity> {
  const all = { "node.seed": NODE_KEY.seed, "trust.json": serialiseNodeTrust(TRUST), ...files };
  for (const file of ["node.seed", "node.jwt", "trust.json", "token.seed"] as const) {
    const text = { "node.jwt": undefined, "token.seed": undefined, ...all }[file];
    if (text !== undefined) await directory.write(file, text);
  }
  return opened();
}

async function opened(): Promise<NodeIdentity> {
  const identity = await NodeIdentity.open(directory);
  if (identity === undefined) throw new Error("the node has not joined");
  return identity;
}

function jwtOf(claims: { name?: string; sub?: string } = {}): string {
  const all = { name: "ship1", sub: NODE_KEY.publicKey, iss: "A", iat: 1, exp: 2, ...claims };
  return `h.${Buffer.from(JSON.stringify(all)).toString("base64url")}.s`;
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

test("keys are made once, and for the owner alone", async () => {
  const made = await readOrMakeKeys(directory);
  const again = await readOrMakeKeys(directory);
  expect(again.node.publicKey).toBe(made.node.publicKey);
  const box = seal(Buffer.from("secret"), made.sealing.publicKey, "here");
  expect(unseal(box, again.sealing, "here").toString()).toBe("secret");
  expect(modeOf(directory.path)).toBe("700");
  expect(readdirSync(directory.path).toSorted()).toEqual(["node.seed", "sealing.key"]);
  for (const file of readdirSync(directory.path)) {
    expect(modeOf(join(directory.path, file))).toBe("600");
  }
  expect(await NodeIdentity.open(directory)).toBeUndefined();
});

describe("what others can get at is refused, with the way to mend it:", () => {
  test("a file that others can read", async () => {
    await joined();
    const path = directory.pathOf("node.seed");
    chmodSync(path, 0o640);
    await expect(opened()).rejects.toThrow(`chmod 600 ${path}`);
  });

  test("a directory that others can read", async () => {
    await joined();
    chmodSync(directory.path, 0o755);
    await expect(opened()).rejects.toThrow(`chmod 700 ${directory.path}`);
  });

  test("a file that belongs to somebody else", () => {
    const own = { uid: 1_000, path: "/identity/node.seed", wanted: "600" } as const;
    expect(accessProblem({ uid: 1_000, mode: 0o100600 }, own)).toBeUndefined();
    expect(accessProblem({ uid: 1_001, mode: 0o100600 }, own)).toBe(
      "/identity/node.seed belongs to the user with the number 1001: run this as that user, or: " +
        "chown -R 1000 /identity/node.seed",
    );
  });
});

test.each([
  ["node.seed", "SUAno"],
  ["sealing.key", "no"],
  ["trust.json", "{}"],
  ["trust.json", "no JSON"],
] as const)("a damaged %s is named, and nothing of it is repeated", async (file, text) => {
  await joined();
  mkdirSync(directory.path, { recursive: true });
  writeFileSync(directory.pathOf(file), text, { mode: 0o600 });
  await expect(opened()).rejects.toThrow(`${directory.pathOf(file)} is damaged`);
  if (text === "SUAno") await expect(opened()).rejects.not.toThrow("SUAno");
});

test("the node signs with its own key and believes its controllers", async () => {
  const identity = await joined();
  expect(identity.signers.map(({ keyID }) => keyID)).toEqual([NODE_KEY.publicKey]);
  const signature = CONTROLLER_KEY.sign(BYTES);
  expect(identity.trust(CONTROLLER_KEY.publicKey, BYTES, signature)).toBe(true);
  expect(identity.trust(NODE_KEY.publicKey, BYTES, NODE_KEY.sign(BYTES))).toBe(false);
  expect(identity.trustSerial).toBe(2);
});

test("a set of keys with a higher serial is believed, and only it, also by the next agent", async () => {
  const identity = await joined();
  await identity.learn({ serial: 3, keys: [OTHER.publicKey] });
  for (const agent of [identity, await opened()]) {
    expect(agent.trust(OTHER.publicKey, BYTES, OTHER.sign(BYTES))).toBe(true);
    expect(agent.trust(CONTROLLER_KEY.publicKey, BYTES, CONTROLLER_KEY.sign(BYTES))).toBe(false);
    expect(agent.trustSerial).toBe(3);
  }
  expect(modeOf(directory.pathOf("trust.json"))).toBe("600");
});

test.each([1, 2])(
  "a set of keys with the serial %i changes nothing after one with 2",
  async (serial) => {
    const identity = await joined();
    const before = readFileSync(directory.pathOf("trust.json"), "utf8");
    await identity.learn({ serial, keys: [OTHER.publicKey] });
    expect(identity.trust(OTHER.publicKey, BYTES, OTHER.sign(BYTES))).toBe(false);
    expect(readFileSync(directory.pathOf("trust.json"), "utf8")).toBe(before);
  },
);

test("of sets that are learned at the same time, the one with the highest serial stays", async () => {
  const identity = await joined();
  const sets = [5, 4, 7, 6].map((serial) => ({ serial, keys: [OTHER.publicKey] }));
  await Promise.all(sets.map((set) => identity.learn(set)));
  expect([identity.trustSerial, (await opened()).trustSerial]).toEqual([7, 7]);
});

test("keys that cannot be written down are not believed", async () => {
  const identity = await joined();
  rmSync(directory.path, { recursive: true });
  writeFileSync(directory.path, "no directory");
  await expect(identity.learn({ serial: 3, keys: [OTHER.publicKey] })).rejects.toThrow(
    "trust.json",
  );
  expect(identity.trust(OTHER.publicKey, BYTES, OTHER.sign(BYTES))).toBe(false);
  expect(identity.trustSerial).toBe(2);
});

test("the token is there until there are credentials", async () => {
  const identity = await joined({ "token.seed": TOKEN_KEY.seed });
  expect(identity.token?.keyID).toBe(TOKEN_KEY.publicKey);
  await identity.keepCredentials(jwtOf());
  for (const agent of [identity, await opened()]) {
    expect(agent.token).toBeUndefined();
    expect(agent.credentials).toEqual({ jwt: jwtOf(), seed: NODE_KEY.seed });
    expect(agent.credentialFacts).toMatchObject({ issuedAt: 1_000, expiresAt: 2_000 });
  }
});

test.each([
  ["another key", jwtOf({ sub: OTHER.publicKey })],
  ["another node", jwtOf({ name: "ship2" })],
  ["nobody", "no JWT"],
])("credentials of %s are none", async (_, jwt) => {
  const identity = await joined({ "node.jwt": jwt });
  expect(identity.credentials).toBeUndefined();
  expect(identity.isOwnCredential(jwt)).toBe(false);
});

test("what was left half written is no hindrance", async () => {
  const identity = await joined();
  writeFileSync(`${directory.pathOf("trust.json")}.new`, "half", { mode: 0o600 });
  await identity.learn({ serial: 3, keys: [OTHER.publicKey] });
  expect((await opened()).trustSerial).toBe(3);
  expect(readdirSync(directory.path)).not.toContain("trust.json.new");
});
