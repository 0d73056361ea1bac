import { generateKeyPairSync, X509Certificate } from "node:crypto";

import { beforeAll, describe, expect, test } from "vitest";

import {
  CertificateError,
  certifyAuthority,
  checkAuthority,
  checkServerCertificate,
  isDueForRenewal,
  issueServerCertificate,
  makeAuthority,
  makeServerKey,
  namesMissing,
  namesOf,
  type Authority,
} from "../../../src/identity/authority.ts";

const NOW = Date.parse("2026-11-24T12:00:00.000Z");
const DAY = 86_400_000;
const NAMES = ["nats.example.com", "*.edge.example.com", "10.1.2.3", "fd00::1"];
let authority: Authority;
const key = makeServerKey();
let chain = "";

beforeAll(async () => {
  authority = await makeAuthority(NOW);
  chain = await issueServerCertificate(authority, { names: NAMES, key, now: NOW });
});

describe("an authority", () => {
  test("signs itself, for ten years, and only certificates of servers", () => {
    const certificate = new X509Certificate(authority.certificate);
    expect(certificate.ca).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
    expect(certificate.validToDate).toEqual(new Date(NOW + 3_650 * DAY));
    expect(() => checkAuthority(authority, NOW)).not.toThrow();
  });

  test("gets another certificate for the same key, which vouches for the same servers", async () => {
    const again = await certifyAuthority(authority.key, NOW + DAY);
    expect(again).not.toBe(authority.certificate);
    expect(() => checkServerCertificate(chain, key, { certificate: again })).not.toThrow();
  });

  test.each([
    { name: "RSA", pair: generateKeyPairSync("rsa", { modulusLength: 2_048 }) },
    { name: "P-384", pair: generateKeyPairSync("ec", { namedCurve: "P-384" }) },
  ])("may have a key of kind $name", async ({ pair }) => {
    const pem = pair.privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    const other = { key: pem, certificate: await certifyAuthority(pem, NOW) };
    const issued = await issueServerCertificate(other, { names: ["a"], key, now: NOW });
    expect(() => checkAuthority(other, NOW)).not.toThrow();
    expect(() => checkServerCertificate(issued, key, other)).not.toThrow();
  });

  test("does not have a key of another kind", async () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    await expect(certifyAuthority(pem, NOW)).rejects.toThrow(CertificateError);
  });

  test("is no server: a server's certificate signs nothing", () => {
    expect(() => checkAuthority({ certificate: chain, key }, NOW)).toThrow(/CA:TRUE/);
  });
});

describe("a server's certificate", () => {
  test("is the authority's word, for a year, for the names and addresses that were asked for", () => {
    const certificate = new X509Certificate(chain);
    const issuer = new X509Certificate(authority.certificate);
    expect(certificate.checkIssued(issuer)).toBe(true);
    expect(certificate.verify(issuer.publicKey)).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(certificate.validToDate).toEqual(new Date(NOW + 365 * DAY));
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
    for (const host of ["nats.example.com", "a.edge.example.com"]) {
      expect(certificate.checkHost(host)).toBeDefined();
    }
    for (const address of ["10.1.2.3", "fd00::1"]) {
      expect(certificate.checkIP(address)).toBe(address);
    }
    expect(certificate.checkHost("example.com")).toBeUndefined();
    expect(certificate.checkIP("10.1.2.4")).toBeUndefined();
    expect(chain.endsWith(authority.certificate)).toBe(true);
  });

  test("does not outlive its authority", async () => {
    const now = NOW + 3_600 * DAY;
    const late = await issueServerCertificate(authority, { names: ["a"], key, now });
    expect(new X509Certificate(late).validTo).toBe(
      new X509Certificate(authority.certificate).validTo,
    );
  });

  test.each([
    { names: NAMES, missing: [] },
    { names: ["NATS.example.com", "fd00:0::1"], missing: [] },
    { names: ["a.edge.example.com", "10.1.2.4"], missing: ["a.edge.example.com", "10.1.2.4"] },
  ])("lacks $missing of $names", ({ names, missing }) => {
    expect(namesMissing(chain, names)).toEqual(missing);
    expect(namesOf(chain)).toHaveLength(NAMES.length);
  });

  test.each([
    { days: 0, isDue: false },
    { days: 242, isDue: false },
    { days: 244, isDue: true },
    { days: 400, isDue: true },
  ])("after $days days is due for renewal: $isDue", ({ days, isDue }) => {
    expect(isDueForRenewal(chain, NOW + days * DAY)).toBe(isDue);
  });

  test("of another authority, or for another key, is found out", async () => {
    const other = await makeAuthority(NOW);
    expect(() => checkServerCertificate(chain, key, other)).toThrow(/another authority/);
    expect(() => checkServerCertificate(chain, makeServerKey(), authority)).toThrow(/is not that/);
  });
});
