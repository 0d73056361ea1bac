import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Somebody the API server knows by a bearer token. */
export interface TokenUser {
  readonly token: string;
  readonly user: string;
  readonly groups: readonly string[];
}

/** Made anew for each run: nobody else's server accepts or shows them. */
export interface Credentials {
  readonly adminToken: string;
  readonly tokenFile: string;
  readonly serviceAccountPrivateKeyFile: string;
  readonly serviceAccountPublicKeyFile: string;
}

const admin = { user: "steward-dev-admin", groups: ["system:masters"] };

export async function writeCredentials(
  dir: string,
  users: readonly TokenUser[],
): Promise<Credentials> {
  const directory = join(dir, "credentials");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const adminToken = randomBytes(24).toString("hex");
  const { privateKey, publicKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "sec1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  return {
    adminToken,
    tokenFile: await write("tokens.csv", tokenCsv([{ token: adminToken, ...admin }, ...users])),
    serviceAccountPrivateKeyFile: await write("service-account.key", privateKey),
    serviceAccountPublicKeyFile: await write("service-account.pub", publicKey),
  };
}

/** The API server's format: token, user name, user id, and the groups in one quoted field. */
export function tokenCsv(users: readonly TokenUser[]): string {
  return users
    .map(({ token, user, groups }) => [token, user, user, groups.join(",")].map(quote).join(","))
    .map((line) => `${line}\n`)
    .join("");
}

function quote(field: string): string {
  return `"${field.replaceAll('"', '""')}"`;
}
