import { X509Certificate } from "node:crypto";
import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";

import { makeAuthority, namesOf } from "../../../src/identity/authority.ts";
import {
  newCommandKeys,
  parseCommandKeys,
  serialiseCommandKeys,
  withNewCommandKey,
} from "../../../src/identity/command-keys.ts";
import { encodeControllerJwt } from "../../../src/identity/claims.ts";
import { keyPairOf, newKeyPair } from "../../../src/identity/key-pair.ts";
import {
  KEY_FILES,
  KeySetError,
  type KeyFile,
  type KeyFileChange,
  type KeyFiles,
} from "../../../src/identity/key-set-layout.ts";
import { completeKeySets } from "../../../src/identity/key-sets.ts";
import { parseServers } from "../../../src/identity/servers.ts";

const NOW = Date.parse("2026-11-24T12:00:00.000Z");
const DAY = 86_400_000;
const OPTIONS = { now: NOW, serverNames: ["nats.example.com", "127.0.0.1"] };
/** Without a seed, what it has signed is of no use. */
const CANNOT_BE_REMADE: readonly KeyFile[] = [
  "identity/operator.seed",
  "identity/system-account.seed",
  "identity/fleet-account.seed",
  "identity/ca.key",
  "controller/operator-signing.seed",
  "controller/node-signing.seed",
  "controller/command-keys.json",
  "controller/controller.seed",
  "controller/system.seed",
];

let made: readonly KeyFileChange[];
let whole: KeyFiles;

beforeAll(async () => {
  made = await completeKeySets(new Map(), { ...OPTIONS, servers: ["tls://a:4222"] });
  whole = after(new Map(), made);
});

function after(files: KeyFiles, changes: readonly KeyFileChange[]): Map<KeyFile, string> {
  return new Map([...files, ...changes.map(({ file, text }) => [file, text] as const)]);
}

function without(...files: readonly KeyFile[]): Map<KeyFile, string> {
  return new Map([...whole].filter(([file]) => !files.includes(file)));
}

function withText(file: KeyFile, text: string): Map<KeyFile, string> {
  return new Map([...whole, [file, text]]);
}

const filesOf = (changes: readonly KeyFileChange[]): readonly KeyFile[] =>
  changes.map(({ file }) => file);

describe("key sets", () => {
  test("are made of nothing, every file, in the order in which they are to be written", () => {
    expect(filesOf(made)).toEqual(KEY_FILES);
    expect(made.every(({ replaces }) => replaces === undefined)).toBe(true);
  });

  test("are whole then: there is nothing more to write, with the same options or with none", async () => {
    expect(await completeKeySets(whole, OPTIONS)).toEqual([]);
    expect(await completeKeySets(whole, { now: NOW, serverNames: [] })).toEqual([]);
  });

  test("are completed to the same whatever was written before somebody was stopped", async () => {
    for (let written = 0; written < made.length; written += 6) {
      const some = after(new Map(), made.slice(0, written));
      const rest = await completeKeySets(some, OPTIONS);
      const all = after(some, rest);
      expect(rest.some(({ file }) => some.has(file))).toBe(false);
      expect(await completeKeySets(all, OPTIONS)).toEqual([]);
    }
  });

  test.each(KEY_FILES.filter((file) => !CANNOT_BE_REMADE.includes(file)))(
    "have %s made again when it is missing, and nothing else",
    async (file) => {
      const files = without(file);
      const servers = ["tls://a:4222"];
      const changes = await completeKeySets(files, { ...OPTIONS, servers });
      const expected = file === "nats/tls.key" ? ["nats/tls.key", "nats/tls.crt"] : [file];
      expect(filesOf(changes)).toEqual(expected);
      expect(await completeKeySets(after(files, changes), OPTIONS)).toEqual([]);
    },
  );

  test.each(CANNOT_BE_REMADE)("cannot be completed without %s, and say so", async (file) => {
    const error = await completeKeySets(without(file), OPTIONS).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(KeySetError);
    expect(String(error)).toContain(`${file}: is missing, and `);
    expect(String(error)).toContain("put it back");
  });

  test("never replace anything, whichever files are missing", async () => {
    await fc.assert(
      fc.asyncProperty(fc.subarray([...KEY_FILES]), async (missing) => {
        const files = without(...missing);
        const changes = await completeKeySets(files, OPTIONS).catch((thrown: unknown) => {
          expect(thrown).toBeInstanceOf(KeySetError);
          return [];
        });
        const allowed = missing.includes("nats/tls.key") ? ["nats/tls.crt"] : [];
        for (const { file } of changes) expect([...missing, ...allowed]).toContain(file);
      }),
      { numRuns: 10 },
    );
  });

  test.each<[KeyFile, string, RegExp]>([
    ["identity/operator.seed", "SOAXXXX", /not the seed of a key/],
    ["identity/fleet-account.seed", newKeyPair("user").seed, /of kind account/],
    ["identity/operator.seed", newKeyPair("operator").seed, /operator\.jwt: is about another key/],
    ["controller/operator-signing.seed", newKeyPair("operator").seed, /signing key|not in these/],
    ["controller/node-signing.seed", newKeyPair("account").seed, /does not name the signing key/],
    ["controller/controller.seed", newKeyPair("user").seed, /controller\.jwt: is about another/],
    ["controller/command-keys.json", '{"serial": 1}', /expected \{"serial": 1, "seeds"/],
    ["controller/command-keys.json", serialiseCommandKeys(newCommandKeys()), /the public half/],
    ["nats/operator.jwt", "a.b.c", /not a JWT/],
    ["nats/fleet-account.pub", newKeyPair("account").publicKey, /is another key/],
    ["nats/ca.crt", "", /lacks the certificate of identity\/ca.crt/],
    ["nats/tls.crt", "nothing", /not a certificate in PEM/],
    ["nats/tls.key", "nothing", /nats\/tls\.crt: not a private key/],
    ["identity/ca.crt", "nothing", /not a certificate in PEM/],
    ["enrollment/servers.json", "[]", /expected \["tls:/],
  ])("refuse a %s that does not belong to the others", async (file, text, problem) => {
    const error = await completeKeySets(withText(file, text), OPTIONS).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(KeySetError);
    expect(String(error)).toMatch(problem);
    if (text.length > 20) expect(String(error)).not.toContain(text.trim());
  });

  test("refuse a JWT that is about the right key, and that a stranger signed", async () => {
    const stranger = newKeyPair("account");
    const { publicKey } = keyPairOf(whole.get("controller/controller.seed") ?? "");
    const jwt = await encodeControllerJwt(publicKey, stranger);
    for (const file of ["controller/controller.jwt", "enrollment/enrollment.jwt"] as const) {
      await expect(completeKeySets(withText(file, jwt), OPTIONS)).rejects.toThrow(
        `${file}: was signed by a key that is not in these sets`,
      );
    }
  });

  test("publish command keys that were rotated, and only those", async () => {
    const rotated = withNewCommandKey(
      parseCommandKeys(whole.get("controller/command-keys.json") ?? ""),
    );
    const files = withText("controller/command-keys.json", serialiseCommandKeys(rotated));
    const changes = await completeKeySets(files, OPTIONS);
    expect(filesOf(changes)).toEqual(["enrollment/command-keys.pub.json"]);
    expect(changes[0]?.replaces).toBe(whole.get("enrollment/command-keys.pub.json"));
    expect(JSON.parse(changes[0]?.text ?? "")).toEqual({
      serial: 2,
      keys: rotated.pairs.map(({ publicKey }) => publicKey),
    });
  });

  test("hold the addresses that agents dial; others replace them, none leave them", async () => {
    const servers = ["tls://b:4222", "tls://c:4222"];
    const changes = await completeKeySets(whole, { ...OPTIONS, servers });
    expect(filesOf(changes)).toEqual(["enrollment/servers.json"]);
    expect(parseServers(changes[0]?.text ?? "")).toEqual(servers);
  });
});

const renewed = async (options: Partial<typeof OPTIONS>): Promise<X509Certificate | undefined> => {
  const changes = await completeKeySets(whole, { ...OPTIONS, ...options });
  expect(filesOf(changes)).toEqual(changes.length === 0 ? [] : ["nats/tls.crt"]);
  return changes[0] === undefined ? undefined : new X509Certificate(changes[0].text);
};

describe("the server's certificate", () => {
  test("is renewed for the same key when less than a third of its life is left", async () => {
    expect(await renewed({ now: NOW + 240 * DAY })).toBeUndefined();
    const certificate = await renewed({ now: NOW + 250 * DAY });
    expect(certificate?.validToDate).toEqual(new Date(NOW + (250 + 365) * DAY));
    const before = new X509Certificate(whole.get("nats/tls.crt") ?? "");
    expect(certificate?.publicKey.equals(before.publicKey)).toBe(true);
  });

  test("is renewed when a name is missing, with those that it had", async () => {
    const certificate = await renewed({ serverNames: ["10.0.0.1"] });
    expect(namesOf(certificate?.toString() ?? "")).toEqual([
      "nats.example.com",
      "127.0.0.1",
      "10.0.0.1",
    ]);
  });

  test("cannot be made without a name", async () => {
    const making = completeKeySets(new Map(), { now: NOW, serverNames: [] });
    await expect(making).rejects.toThrow(/nats\/tls\.crt: is to be made, and needs the names/);
  });
});

describe("a given authority", () => {
  test("is taken, and may be given again", async () => {
    const authority = await makeAuthority(NOW);
    const options = { ...OPTIONS, authority };
    const files = after(new Map(), await completeKeySets(new Map(), options));
    expect(files.get("identity/ca.crt")).toBe(authority.certificate);
    expect(await completeKeySets(files, options)).toEqual([]);
    files.delete("identity/ca.key");
    expect(filesOf(await completeKeySets(files, options))).toEqual(["identity/ca.key"]);
  });

  test("does not replace the one that is there", async () => {
    const options = { ...OPTIONS, authority: await makeAuthority(NOW) };
    await expect(completeKeySets(whole, options)).rejects.toThrow(
      /identity\/ca\.crt: is another authority than the given one/,
    );
  });

  test("must fit its key, and be alive", async () => {
    const [one, other] = [await makeAuthority(NOW), await makeAuthority(NOW)];
    const mixed = { certificate: one.certificate, key: other.key };
    await expect(completeKeySets(new Map(), { ...OPTIONS, authority: mixed })).rejects.toThrow(
      /key of the authority is not that of its certificate/,
    );
    const old = await makeAuthority(NOW - 3_651 * DAY);
    await expect(completeKeySets(new Map(), { ...OPTIONS, authority: old })).rejects.toThrow(
      /has expired on 2026-/,
    );
  });
});
