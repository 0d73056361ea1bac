// oxlint-disable-next-line import/no-unassigned-import -- the library below expects it to be there before
import "reflect-metadata";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate as Certificate,
  X509CertificateGenerator,
  type Extension,
} from "@peculiar/x509";
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
  type KeyObject,
  type webcrypto,
} from "node:crypto";
import { isIP } from "node:net";

/** The authority that vouches for the broker's servers, and their certificates. All PEM; keys are PKCS #8. */

export interface Authority {
  /** One certificate, or the one that signs and then those above it. */
  readonly certificate: string;
  readonly key: string;
}

export interface ServerCertificateRequest {
  /** DNS names and IP addresses; at least one. */
  readonly names: readonly string[];
  /** Of the server. */
  readonly key: string;
  /** Unix time in milliseconds. */
  readonly now: number;
}

/** A certificate or a key is not what it should be. `message` says why and repeats no key. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
}

const DAY_MS = 86_400_000;
const AUTHORITY_LIFE_MS = 3_650 * DAY_MS;
const SERVER_LIFE_MS = 365 * DAY_MS;
/** A machine without a battery for its clock wakes in 1970, and is to find its broker all the same. */
const VALID_SINCE = new Date(0);

/** A new one, ECDSA P-256, for ten years. */
export async function makeAuthority(now: number): Promise<Authority> {
  const key = makeServerKey();
  return { certificate: await certifyAuthority(key, now), key };
}

/** A self-signed certificate for the key of an authority. */
export async function certifyAuthority(key: string, now: number): Promise<string> {
  const privateKey = privateKeyOf(key);
  const publicKey = publicDer(privateKey);
  const certificate = await X509CertificateGenerator.create({
    subject: "CN=Steward CA",
    issuer: "CN=Steward CA",
    publicKey,
    ...signedWith(privateKey),
    ...validFor(now, AUTHORITY_LIFE_MS),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return pem(certificate);
}

/** A new private key, ECDSA P-256. */
export function makeServerKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ format: "pem", type: "pkcs8" }).toString();
}

/** For a year, or as long as the authority lives: the server's certificate, then the authority's. */
export async function issueServerCertificate(
  authority: Authority,
  { names, key, now }: ServerCertificateRequest,
): Promise<string> {
  const issuer = new Certificate(firstPem(authority.certificate));
  const life = Math.min(SERVER_LIFE_MS, issuer.notAfter.getTime() - now);
  const certificate = await X509CertificateGenerator.create({
    subject: "CN=steward-nats",
    issuer: issuer.subjectName,
    publicKey: publicDer(privateKeyOf(key)),
    ...signedWith(privateKeyOf(authority.key)),
    ...validFor(now, life),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isIP(name) === 0 ? "dns" : "ip", value: name })),
      ),
      ...issuerIdentifier(issuer),
    ],
  });
  return `${pem(certificate)}${authority.certificate.trim()}\n`;
}

/** Throws a CertificateError unless this can sign certificates now. */
export function checkAuthority({ certificate, key }: Authority, now: number): void {
  const parsed = parseCertificate(certificate);
  if (!parsed.ca) throw new CertificateError("not the certificate of an authority (CA:TRUE)");
  if (!parsed.checkPrivateKey(privateKeyOf(key))) {
    throw new CertificateError("the key of the authority is not that of its certificate");
  }
  if (parsed.validToDate.getTime() <= now) {
    throw new CertificateError(`the authority has expired on ${parsed.validToDate.toISOString()}`);
  }
}

/** Throws a CertificateError unless the key is that of the certificate and the authority has signed it. */
export function checkServerCertificate(
  certificate: string,
  key: string,
  authority: Pick<Authority, "certificate">,
): void {
  const server = parseCertificate(certificate);
  const issuer = parseCertificate(authority.certificate);
  if (!server.checkPrivateKey(privateKeyOf(key))) {
    throw new CertificateError("the server's key is not that of its certificate");
  }
  if (!server.verify(issuer.publicKey)) {
    throw new CertificateError("another authority has signed it");
  }
}

/** Which of these names the certificate does not have. Wildcards are names of their own. */
export function namesMissing(certificate: string, names: readonly string[]): readonly string[] {
  const parsed = parseCertificate(certificate);
  const own = new Set(namesOf(certificate).map((name) => name.toLowerCase()));
  return names.filter((name) =>
    isIP(name) === 0 ? !own.has(name.toLowerCase()) : parsed.checkIP(name) === undefined,
  );
}

/** The DNS names and IP addresses of a certificate. */
export function namesOf(certificate: string): readonly string[] {
  const extension = new Certificate(firstPem(certificate)).getExtension(
    SubjectAlternativeNameExtension,
  );
  return (extension?.names.items ?? [])
    .filter(({ type }) => type === "dns" || type === "ip")
    .map(({ value }) => value);
}

/** Whether less than a third of its life is left. */
export function isDueForRenewal(certificate: string, now: number): boolean {
  return parseCertificate(certificate).validToDate.getTime() - now < SERVER_LIFE_MS / 3;
}

function parseCertificate(text: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (cause) {
    throw new CertificateError("not a certificate in PEM", { cause });
  }
}

function privateKeyOf(text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    // What the library says may show the text.
    throw new CertificateError("not a private key in PEM, or one with a passphrase");
  }
}

function publicDer(privateKey: KeyObject): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createPublicKey(privateKey).export({ format: "der", type: "spki" }));
}

const CURVES: ReadonlyMap<string, { readonly namedCurve: string; readonly hash: string }> = new Map(
  [
    ["prime256v1", { namedCurve: "P-256", hash: "SHA-256" }],
    ["secp384r1", { namedCurve: "P-384", hash: "SHA-384" }],
    ["secp521r1", { namedCurve: "P-521", hash: "SHA-512" }],
  ],
);

interface SignedWith {
  readonly signingKey: webcrypto.CryptoKey;
  readonly signingAlgorithm: { readonly name: string; readonly hash: string };
}

function signedWith(key: KeyObject): SignedWith {
  const curve = CURVES.get(key.asymmetricKeyDetails?.namedCurve ?? "");
  if (curve !== undefined) {
    const name = "ECDSA";
    const { namedCurve, hash } = curve;
    return {
      signingKey: key.toCryptoKey({ name, namedCurve }, false, ["sign"]),
      signingAlgorithm: { name, hash },
    };
  }
  if (key.asymmetricKeyType !== "rsa") {
    throw new CertificateError(
      "the key of the authority must be ECDSA (P-256, P-384, P-521) or RSA",
    );
  }
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  return {
    signingKey: key.toCryptoKey(algorithm, false, ["sign"]),
    signingAlgorithm: algorithm,
  };
}

function validFor(now: number, lifeMs: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: VALID_SINCE, notAfter: new Date(now + lifeMs) };
}

/** As the authority calls its key itself: other tools do not all take a SHA-1 of it. */
function issuerIdentifier(issuer: Certificate): readonly Extension[] {
  const own = issuer.getExtension(SubjectKeyIdentifierExtension);
  return own === null ? [] : [new AuthorityKeyIdentifierExtension(own.keyId)];
}

function pem(certificate: Certificate): string {
  return `${certificate.toString("pem").trim()}\n`;
}

function firstPem(text: string): string {
  return parseCertificate(text).toString();
}
