import { createHash } from "node:crypto";

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  decodeJoinToken,
  encodeJoinToken,
  JoinTokenError,
  type JoinToken,
} from "../../../src/identity/join-token.ts";
import { newKeyPair } from "../../../src/identity/key-pair.ts";

const TOKEN: JoinToken = {
  servers: ["tls://nats.example.com:4222"],
  node: "ship1",
  namespace: "fleet",
  clusterID: "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
  ca: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
  commandKeys: { serial: 3, keys: [newKeyPair("user").publicKey] },
  enrollmentJwt: "e30.e30.AA",
  seed: newKeyPair("user").seed,
};
const TEXT = encodeJoinToken(TOKEN);

describe("a join token", () => {
  test("is one word, and comes back as it was, with its secret or without", () => {
    expect(TEXT).toMatch(/^stw1\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{8}$/);
    expect(decodeJoinToken(TEXT)).toEqual(TOKEN);
    const { seed: _, ...open } = TOKEN;
    expect(decodeJoinToken(encodeJoinToken(open))).toEqual(open);
  });

  test("may be broken into lines by a terminal, anywhere", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(TEXT.length), { maxLength: 5 }),
        fc.constantFrom("\n", "\r\n", "  ", "\t"),
        (places, space) => {
          let text = TEXT;
          for (const place of places.toSorted((a, b) => b - a)) {
            text = text.slice(0, place) + space + text.slice(place);
          }
          expect(decodeJoinToken(text)).toEqual(TOKEN);
        },
      ),
      { numRuns: 25 },
    );
  });

  test("that was cut off at either end is refused, and nothing of it repeated", () => {
    fc.assert(
      fc.property(fc.nat(TEXT.length - 2), fc.boolean(), (length, isHead) => {
        const text = isHead ? TEXT.slice(0, length) : TEXT.slice(-length - 1);
        const problem = problemOf(text);
        expect(problem).toMatch(/damaged or not all of it|no join token|is of version/);
        if (text.length > 30) expect(problem).not.toContain(text.slice(10, 30));
      }),
    );
  });

  test("with any other character in it is refused", () => {
    fc.assert(
      fc.property(
        fc.nat(TEXT.length - 1),
        fc.constantFrom("A", "b", "_", "9", "."),
        (at, other) => {
          fc.pre(TEXT[at] !== other);
          expect(problemOf(TEXT.slice(0, at) + other + TEXT.slice(at + 1))).not.toBe("");
        },
      ),
    );
  });

  test.each([
    { text: "", problem: /no join token: it begins with stw1\./ },
    { text: "ship1", problem: /no join token/ },
    { text: TEXT.replace("stw1.", "stw2."), problem: /is of version stw2, this program/ },
    { text: TEXT.slice(0, 200), problem: /damaged or not all of it is there: copy all/ },
    { text: `${TEXT}.more`, problem: /damaged/ },
  ])("tells the person what is wrong: $problem", ({ text, problem }) => {
    expect(problemOf(text)).toMatch(problem);
  });

  test.each<[string, object]>([
    ["node", { ...TOKEN, node: "Ship.One" }],
    ["seed", { ...TOKEN, seed: newKeyPair("account").seed }],
    ["commandKeys.keys.0", { ...TOKEN, commandKeys: { serial: 1, keys: ["UAAA"] } }],
    ["servers", { ...TOKEN, servers: [] }],
    ["content", { ...TOKEN, more: true }],
  ])("whose %s is wrong is not made, and not believed", (field, token) => {
    expect(() => encodeJoinToken(token as JoinToken)).toThrow();
    expect(problemOf(forged(token))).toContain(`the token's ${field} is not understood`);
  });
});

function problemOf(text: string): string {
  try {
    decodeJoinToken(text);
    return "";
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(JoinTokenError);
    return String(thrown);
  }
}

/** With a check that is right. */
function forged(content: object): string {
  const payload = Buffer.from(JSON.stringify(content)).toString("base64url");
  const check = createHash("sha256").update(payload).digest("base64url").slice(0, 8);
  return `stw1.${payload}.${check}`;
}
