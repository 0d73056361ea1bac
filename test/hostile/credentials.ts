import { encodeUser, fromPublic, fromSeed } from "@nats-io/jwt";
import type { NatsServer } from "../../dev/controlplane/control-plane.ts";
import {
  mintNodeCredentials,
  readKeyFile,
  type NatsAccess,
} from "../../dev/controlplane/nats-access.ts";
import { encodeFleetAccountJwt } from "../../src/identity/claims.ts";
import type { KeyFile } from "../../src/identity/key-set-layout.ts";
import { keyPairOf, newKeyPair, type KeyPair } from "../../src/identity/key-pair.ts";
import { readJwt } from "../../src/identity/user-jwt.ts";
import type { NatsCredentials } from "../../src/nats/credentials.ts";
import { errorMessage } from "../../src/runtime/errors.ts";
import { connectAs, type BrokerAddress } from "./nats-users.ts";
import type { Tally } from "./tally.ts";

const ATTACK = "credentials: comes in with";
const NODE = "ship1";
const SECOND_MS = 1_000;

interface Minting {
  readonly keysDir: string;
  readonly account: string;
  readonly nodes: KeyPair;
  readonly now: number;
}

/** Everybody who must not be let in, and how he would try. */
export async function tryBadCredentials(
  server: NatsServer,
  access: NatsAccess,
  { now, tally }: { readonly now: number; readonly tally: Tally },
): Promise<void> {
  const keysDir = server.keysDir ?? "";
  const address = { url: server.url, ca: access.ca };
  const nodes = keyPairOf(await readKeyFile(keysDir, "controller/node-signing.seed"));
  const minting: Minting = { keysDir, account: access.account, nodes, now };
  const good = await mintNodeCredentials(keysDir, NODE);
  const isIn = await comesIn(address, good);
  tally.add("credentials: good ones", isIn ? undefined : "they are refused");
  for (const [what, make] of BAD) {
    tally.add(
      `${ATTACK} ${what}`,
      (await comesIn(address, await make(minting, good))) ? "let in" : undefined,
    );
  }
  await tryRevoked({ address, access, minting }, good, tally);
}

type Make = (
  minting: Minting,
  good: Required<NatsCredentials>,
) => Promise<NatsCredentials | undefined>;

const BAD: readonly (readonly [string, Make])[] = [
  ["none", async () => undefined],
  ["a JWT without its key", async (_, { jwt }) => ({ jwt })],
  ["a JWT and another key", async (_, { jwt }) => ({ jwt, seed: newKeyPair("user").seed })],
  ["a JWT that has expired", (minting) => minted(minting, { exp: seconds(minting.now) - 60 })],
  [
    "a JWT that is not valid yet",
    (minting) => minted(minting, { nbf: seconds(minting.now) + 3_600 }),
  ],
  ["a JWT of a stranger's account", (_, good) => signedBy(newKeyPair("account"), good)],
  ["a JWT signed by a stranger's operator", (_, good) => signedBy(newKeyPair("operator"), good)],
  ["a JWT signed by itself", (_, good) => signedBy(keyPairOf(good.seed), good)],
  ["a JWT signed by the operator's signing key", signedWith("controller/operator-signing.seed")],
  ["a JWT signed by the system account", signedWith("identity/system-account.seed")],
  ["a JWT with rights of its own", withOwnRights],
  ["a JWT that bears itself", (minting) => minted(minting, {}, { bearer_token: true })],
  ["a JWT with another name in it", async (_, { jwt, seed }) => ({ jwt: renamed(jwt), seed })],
  [
    "a JWT without a signature",
    async (_, { jwt, seed }) => ({ jwt: jwt.replace(/[^.]*$/, ""), seed }),
  ],
  ["a JWT with the algorithm none", async (_, { jwt, seed }) => ({ jwt: unsigned(jwt), seed })],
];

function signedWith(file: KeyFile): Make {
  return async ({ keysDir }, good) => signedBy(keyPairOf(await readKeyFile(keysDir, file)), good);
}

function seconds(ms: number): number {
  return Math.floor(ms / SECOND_MS);
}

async function minted(
  { nodes, account }: Minting,
  options: Partial<Parameters<typeof encodeUser>[4]>,
  rights: Parameters<typeof encodeUser>[3] = {},
): Promise<NatsCredentials> {
  const key = newKeyPair("user");
  const scoped = { scopedUser: true, signer: fromSeed(Buffer.from(nodes.seed)), ...options };
  const jwt = await encodeUser(
    NODE,
    fromPublic(key.publicKey),
    fromPublic(account),
    rights,
    scoped,
  );
  return { jwt, seed: key.seed };
}

async function withOwnRights({ nodes, account }: Minting): Promise<NatsCredentials> {
  const key = newKeyPair("user");
  const signer = fromSeed(Buffer.from(nodes.seed));
  const rights = { pub: { allow: [">"] }, sub: { allow: [">"] } };
  return {
    jwt: await encodeUser(NODE, fromPublic(key.publicKey), fromPublic(account), rights, { signer }),
    seed: key.seed,
  };
}

/** The same claims by another signer, who says that he is it. */
async function signedBy(
  signer: KeyPair,
  good: Required<NatsCredentials>,
): Promise<NatsCredentials> {
  const [head = "", body = ""] = good.jwt.split(".");
  const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as object;
  const own = Buffer.from(JSON.stringify({ ...claims, iss: signer.publicKey }));
  const text = `${head}.${own.toString("base64url")}`;
  const signature = Buffer.from(signer.sign(Buffer.from(text))).toString("base64url");
  return { jwt: `${text}.${signature}`, seed: good.seed };
}

function renamed(jwt: string): string {
  const [head = "", body = "", signature = ""] = jwt.split(".");
  const text = Buffer.from(body, "base64url")
    .toString()
    .replace(`"name":"${NODE}"`, '"name":"ship2"');
  return [head, Buffer.from(text).toString("base64url"), signature].join(".");
}

function unsigned(jwt: string): string {
  const head = Buffer.from('{"typ":"JWT","alg":"none"}').toString("base64url");
  return [head, jwt.split(".")[1] ?? "", ""].join(".");
}

interface Revoking {
  readonly address: BrokerAddress;
  readonly access: NatsAccess;
  readonly minting: Minting;
}

/** Whoever is revoked loses the connection that he has, and stays out; also with what was issued before. */
async function tryRevoked(
  { address, access, minting }: Revoking,
  credentials: Required<NatsCredentials>,
  tally: Tally,
): Promise<void> {
  const connection = await connectAs(address, credentials, `_INBOX_${NODE}`);
  const closed = connection.closed();
  const system = await connectAs(address, access.system, "_INBOX_CONTROLLER");
  const push = async (revocations: Record<string, number>): Promise<void> => {
    const signer = keyPairOf(
      await readKeyFile(minting.keysDir, "controller/operator-signing.seed"),
    );
    const claims = {
      account: minting.account,
      nodeSigningKey: minting.nodes.publicKey,
      revocations,
    };
    await system.request("$SYS.REQ.CLAIMS.UPDATE", await encodeFleetAccountJwt(claims, signer), {
      timeout: 5_000,
    });
  };
  const { subject, issuedAt } = readJwt(credentials.jwt);
  await push({ [subject]: issuedAt / SECOND_MS });
  await closed;
  tally.add(`${ATTACK} a connection that was there before the revocation`);
  tally.add(`${ATTACK} revoked ones`, (await comesIn(address, credentials)) ? "let in" : undefined);
  await push({});
  await system.close();
}

async function comesIn(
  address: BrokerAddress,
  credentials: NatsCredentials | undefined,
): Promise<boolean> {
  try {
    const connection = await connectAs(address, credentials, `_INBOX_${NODE}`);
    await connection.flush();
    await connection.close();
    return true;
  } catch (thrown) {
    if (/refused|timeout|certificate/i.test(errorMessage(thrown))) throw thrown;
    return false;
  }
}
