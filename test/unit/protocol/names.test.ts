import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as names from "../../../src/protocol/names.ts";

const { isMethod, isMethodToken, isNodeName, suggestNodeName } = names;

describe("a node name", () => {
  test.each(["a", "0", "ship1", "ship-1", "a--b", "1a", "a".repeat(63)])("may be %s", (text) => {
    expect(isNodeName(text)).toBe(true);
  });

  test.each([
    "",
    "-",
    "-a",
    "a-",
    "A",
    "ship.1",
    "ship_1",
    "ship 1",
    "ship1\n",
    "*",
    ">",
    "é",
    "a".repeat(64),
  ])("may not be %j", (text) => {
    expect(isNodeName(text)).toBe(false);
    expect(names.nodeName.safeParse(text).error?.issues[0]?.message).toBe(
      "must be a DNS-1123 label",
    );
  });
});

describe("a method", () => {
  test.each(["exec", "shellcommand", "x-1", "0"])("may be %s", (text) => {
    expect(isMethod(text)).toBe(true);
  });

  test.each([...names.RESERVED_METHODS])("may not be %s, which is reserved but a token", (text) => {
    expect(isMethod(text)).toBe(false);
    expect(isMethodToken(text)).toBe(true);
  });

  test.each(["", "Exec", "a.b", "*", ">", "a b", "exec\n"])("may not be %j", (text) => {
    expect(isMethod(text)).toBe(false);
    expect(isMethodToken(text)).toBe(false);
    expect(names.method.safeParse(text).error?.issues[0]?.message).toBe("must be a method name");
  });
});

describe("suggestNodeName", () => {
  test.each([
    ["ship1", "ship1"],
    ["Ship1", "ship1"],
    ["Ship-1.fleet.example", "ship-1-fleet-example"],
    ["raspberry_pi 4", "raspberry-pi-4"],
    ["..ship1..", "ship1"],
    ["--a--b--", "a-b"],
    ["Ångström", "ngstr-m"],
    ["a/b\\c\td\n", "a-b-c-d"],
    ["X".repeat(100), "x".repeat(63)],
    [`${"x".repeat(62)}.y`, "x".repeat(62)],
    ["", undefined],
    ["...", undefined],
    ["日本", undefined],
  ])("makes of %j %j", (text, want) => {
    expect(suggestNodeName(text)).toBe(want);
  });

  test("of anything is valid, stays what it is, and is nothing only where nothing is left", () => {
    const texts = fc.oneof(
      fc.string({ unit: fc.constantFrom("é", "ß", "🚢", "\ud800", "\u0000", "１", "b") }),
      fc.string({ maxLength: 200 }),
      fc.string({ unit: fc.constantFrom("a", "Z", "0", ".", "-", "_") }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const name = suggestNodeName(text);
        if (name === undefined) {
          expect(text.slice(0, 60)).not.toMatch(/[A-Za-z0-9]/);
        } else {
          expect(isNodeName(name)).toBe(true);
          expect(suggestNodeName(name)).toBe(name);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("the name of a resource", () => {
  test.each(["a", "uptime-ship1", "a.b", "0", "a".repeat(253)])("may be %s", (text) => {
    expect(names.resourceName.safeParse(text).success).toBe(true);
  });

  test.each(["", "-a", "a-", ".a", "a.", "A", "a/b", "a_b", "a".repeat(254)])(
    "may not be %j",
    (text) => {
      expect(names.resourceName.safeParse(text).success).toBe(false);
    },
  );
});

function part(max: number, digits: number): fc.Arbitrary<string> {
  return fc.nat(max).map((n) => String(n).padStart(digits, "0"));
}

describe("a time", () => {
  test("may be anything that a Date writes of our era", () => {
    const dates = fc.date({
      min: new Date("0000-01-01T00:00:00.000Z"),
      max: new Date("9999-12-31T23:59:59.999Z"),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(dates, (date) => {
        expect(names.timestamp.safeParse(date.toISOString()).success).toBe(true);
      }),
    );
  });

  test.each([
    "",
    "now",
    "2026-03-01",
    "2026-03-01T12:00:00Z",
    "2026-03-01T12:00:00.0000Z",
    "2026-03-01T12:00:00.000",
    "2026-03-01T12:00:00.000z",
    "2026-03-01 12:00:00.000Z",
    "2026-03-01T12:00:00.000+00:00",
    "2026-02-29T12:00:00.000Z",
    "2026-13-01T12:00:00.000Z",
    "2026-03-32T12:00:00.000Z",
    "2026-03-01T24:00:00.000Z",
    "2026-03-01T12:60:00.000Z",
    "+012026-03-01T12:00:00.000Z",
    "2026-03-01T12:00:00.000Z\n",
  ])("may not be %j", (text) => {
    expect(names.timestamp.safeParse(text).success).toBe(false);
  });

  test("is read by Date as what it says", () => {
    const texts = fc
      .tuple(part(9999, 4), part(13, 2), part(32, 2), part(25, 2), part(61, 2))
      .map(([y, m, d, h, s]) => `${y}-${m}-${d}T${h}:${s}:${s}.000Z`);
    fc.assert(
      fc.property(texts, (text) => {
        if (!names.timestamp.safeParse(text).success) return;
        expect(new Date(text).toISOString()).toBe(text);
      }),
      { numRuns: 500 },
    );
  });
});

describe("an id", () => {
  test("may be any UUID in lower case", () => {
    fc.assert(
      fc.property(fc.uuid(), (text) => {
        expect(names.uuid.safeParse(text).success).toBe(true);
        const upper = text.toUpperCase();
        expect(names.uuid.safeParse(upper).success).toBe(upper === text);
        expect(names.uuid.safeParse(`${text}\n`).success).toBe(false);
      }),
    );
  });

  test.each(["", "1", "00000000000040008000000000000000", "g0000000-0000-4000-8000-000000000000"])(
    "may not be %j",
    (text) => {
      expect(names.uuid.safeParse(text).success).toBe(false);
    },
  );
});

test.each([
  ["v1:0123456789abcdef0123456789abcdef", true],
  ["v12:0123456789abcdef0123456789abcdef", true],
  ["0123456789abcdef0123456789abcdef", false],
  ["v1:0123456789ABCDEF0123456789abcdef", false],
  ["v1:0123456789abcdef", false],
])("a revision may be %s: %s", (text, want) => {
  expect(names.revision.safeParse(text).success).toBe(want);
});

test.each([
  [`U${"A".repeat(55)}`, true],
  [`U${"Z2347".repeat(11)}`, true],
  ["", false],
  [`A${"A".repeat(55)}`, false],
  [`SU${"A".repeat(56)}`, false],
  [`U${"A".repeat(54)}`, false],
  [`U${"A".repeat(54)}1`, false],
  [`U${"a".repeat(55)}`, false],
  [`U${"A".repeat(55)}\n`, false],
])("a public key may be %j: %s", (text, want) => {
  expect(names.publicKey.safeParse(text).success).toBe(want);
});

test.each([
  ["root", true],
  ["_apt", true],
  ["steward-runner", true],
  ["a".repeat(32), true],
  ["", false],
  ["0", false],
  ["-u", false],
  ["Root", false],
  ["a b", false],
  ["a:b", false],
  ["a.b", false],
  ["root\n", false],
  ["a".repeat(33), false],
])("the user that a command runs as may be %j: %s", (text, want) => {
  expect(names.userName.safeParse(text).success).toBe(want);
});

test.each([
  ["A".repeat(43), true],
  ["_-".repeat(21) + "A", true],
  ["A".repeat(42), false],
  ["A".repeat(44), false],
  ["+".repeat(43), false],
])("a sealing key may be %j: %s", (text, want) => {
  expect(names.sealingKey.safeParse(text).success).toBe(want);
});
