import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  MalformedMessageError,
  payloadType,
  UnsupportedVersionError,
} from "../../../src/protocol/envelope.ts";
import { ANYONE } from "../../../src/protocol/signature.ts";
import {
  decodeGolden,
  encodeGolden,
  exportedMessageTypes,
  goldenFrame,
  goldenMessages,
  type AnyMessageType,
  type GoldenMessage,
} from "../../support/golden-messages.ts";
import { isObject, places, withValueAt, type Path } from "../../support/json-walk.ts";

const goldens = await goldenMessages();
const types = await exportedMessageTypes();

function golden(wanted: string): GoldenMessage {
  const found = goldens.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`there is no golden message ${wanted}`);
  return found;
}

function bytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** Without a signature: these tests are about what is said, not about who says it. */
function framed(type: AnyMessageType, payload: unknown): Record<string, unknown> {
  return { ...goldenFrame(type, payload), signatures: [] };
}

/** Where an error says that the message itself begins. */
function rootOf(type: AnyMessageType): string {
  return type.isReply === true ? "payload.reply" : "payload";
}

/** What decoding throws; undefined if it does not. */
function thrownBy(type: AnyMessageType, wire: Uint8Array): unknown {
  try {
    decodeGolden(type, wire, ANYONE);
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}

function messageOf(type: AnyMessageType, wire: Uint8Array): string {
  const thrown = thrownBy(type, wire);
  expect(thrown).toBeInstanceOf(MalformedMessageError);
  return (thrown as Error).message;
}

describe("the frame", () => {
  const { type, payload } = golden("receipt.stored");
  const frame = framed(type, payload);

  test("has the media type of its message", () => {
    expect(payloadType(type)).toBe("application/vnd.steward.receipt.v1+json");
  });

  test.each<[string, Uint8Array, RegExp]>([
    ["nothing", new Uint8Array(), /^envelope: not JSON in UTF-8$/],
    ["half a frame", bytes(frame).subarray(0, 40), /^envelope: not JSON in UTF-8$/],
    ["bytes that are not UTF-8", Buffer.from([0x22, 0xff, 0x22]), /^envelope: not JSON in UTF-8$/],
    ["JSON that is no object", bytes([frame]), /^envelope: .*expected object/],
    ["null", bytes(null), /^envelope: .*expected object/],
    ["no payload", bytes({ ...frame, payload: undefined }), /^envelope\.payload: /],
    ["a payload that is not base64", bytes({ ...frame, payload: "{}" }), /^envelope\.payload: /],
    ["no signatures", bytes({ ...frame, signatures: undefined }), /^envelope\.signatures: /],
    ["half a signature", bytes({ ...frame, signatures: [{ sig: "x" }] }), /^envelope\.signatures/],
    [
      "more signatures than anybody has keys",
      bytes({ ...frame, signatures: Array.from({ length: 9 }, () => ({ keyid: "U", sig: "" })) }),
      /^envelope\.signatures: /,
    ],
    [
      "a signature that is not base64",
      bytes({ ...frame, signatures: [{ keyid: "U", sig: "?" }] }),
      /^envelope\.signatures\.0\.sig: /,
    ],
    [
      "an endless key id",
      bytes({ ...frame, signatures: [{ keyid: "U".repeat(129), sig: "" }] }),
      /^envelope\.signatures\.0\.keyid: /,
    ],
    ["an unknown field", bytes({ ...frame, keyid: "1" }), /^envelope: Unrecognized key: "keyid"$/],
    [
      "an endless type",
      bytes({ ...frame, payloadType: "x".repeat(129) }),
      /^envelope\.payloadType/,
    ],
    [
      "another message",
      bytes({ ...frame, payloadType: "application/vnd.steward.result.v1+json" }),
      /^envelope\.payloadType: expected .*receipt\.v1\+json, got ".*result\.v1\+json"$/,
    ],
    ["an empty payload", bytes({ ...frame, payload: "" }), /^payload: not JSON in UTF-8$/],
    [
      "a payload that is not UTF-8",
      bytes({ ...frame, payload: Buffer.from([0x22, 0xff, 0x22]).toString("base64") }),
      /^payload: not JSON in UTF-8$/,
    ],
    ["a payload that is no object", bytes({ ...frame, payload: "MQ==" }), /^payload: /],
  ])("with %s is refused with a message that says so", (_, wire, message) => {
    expect(messageOf(type, wire)).toMatch(message);
    expect(thrownBy(type, wire)).not.toBeInstanceOf(UnsupportedVersionError);
  });

  test("keeps what made it unreadable as the cause", () => {
    expect(thrownBy(type, Buffer.from("{"))).toHaveProperty("cause", expect.any(SyntaxError));
  });

  test.each([0, 2, 10])(
    "in version %i of the same message is an unsupported version",
    (version) => {
      const other = payloadType({ ...type, version });
      const thrown = thrownBy(type, bytes({ ...frame, payloadType: other }));
      expect(thrown).toBeInstanceOf(UnsupportedVersionError);
      expect(thrown).toBeInstanceOf(MalformedMessageError);
      expect((thrown as Error).message).toContain(`got "${other}"`);
    },
  );

  test("of one message is never taken for another", () => {
    for (const { name, type: sent, wire } of goldens) {
      for (const wanted of types.filter((other) => other.name !== sent.name)) {
        const thrown = thrownBy(wanted, wire);
        expect(thrown, `${name} as ${wanted.name}`).toBeInstanceOf(MalformedMessageError);
        expect(thrown, `${name} as ${wanted.name}`).not.toBeInstanceOf(UnsupportedVersionError);
      }
    }
  });
});

describe("the payload", () => {
  test("has no unknown field anywhere", () => {
    for (const { name, type, payload } of goldens) {
      for (const { path, value } of places(payload)) {
        if (!isObject(value)) continue;
        const wire = encodeGolden(type, withValueAt(payload, [...path, "surprise"], 1));
        const where = [rootOf(type), ...path].join(".");
        expect(messageOf(type, wire), name).toBe(`${where}: Unrecognized key: "surprise"`);
      }
    }
  });

  test("is refused by the name of the field that has another type", () => {
    for (const { name, type, payload } of goldens) {
      for (const { path } of places(payload)) {
        const wire = encodeGolden(type, withValueAt(payload, path, [[path]]));
        const where = [rootOf(type), ...path].join(".");
        expect(messageOf(type, wire).startsWith(where), `${name}: ${where}`).toBe(true);
      }
    }
  });

  test.each<[string, Path, unknown]>([
    ["command", ["node"], "Ship1"],
    ["command", ["node"], "ship.1"],
    ["command", ["uid"], "not-a-uid"],
    ["command", ["uid"], "11111111-0000-4000-8000-11111111111A"],
    ["command", ["generation"], 0],
    ["command", ["generation"], 1.5],
    ["command", ["declared"], 2 ** 60],
    ["command", ["revision"], "v1:6b1f"],
    ["command", ["signedAt"], "2026-03-01T12:00:00Z"],
    ["command", ["signedAt"], "2026-02-30T12:00:00.000Z"],
    ["command", ["requestedAt"], "2026-03-01T12:00:00.000+01:00"],
    ["command", ["work", "method"], "cancel"],
    ["command", ["work", "method"], "hello"],
    ["command", ["work", "method"], "*"],
    ["command", ["work", "args", 1], 7],
    ["command", ["work", "env", 0, "value"], null],
    ["command", ["terms", "timeoutMs"], 0],
    ["command", ["terms", "successExitCodes"], []],
    ["command", ["terms", "successExitCodes", 1], 256],
    ["command", ["terms", "inlineBytes"], 4_097],
    ["command", ["epoch"], -1],
    ["command", ["rerun"], "x".repeat(64)],
    ["command", ["ledgerSince"], "2026-02-01"],
    ["command", ["terms", "retry", "limit"], 101],
    ["command", ["terms", "retry", "backoffMs"], 0],
    ["command", ["terms", "idempotent"], "true"],
    ["withdrawal.run", ["scope"], "node"],
    ["hello", ["ledgerCounter"], -1],
    ["result", ["attempts"], -1],
    ["ack.known", ["run", "state"], "Sleeping"],
    ["ack.refused", ["reason"], "Bored"],
    ["ack.refused", ["answer"], "maybe"],
    ["result", ["state"], "Running"],
    ["result", ["result", "exitCode"], -1],
    ["result", ["result", "finishedAt"], "2026-13-01T12:00:00.000Z"],
    ["result", ["result", "reason"], "not a word"],
    ["result", ["result", "message"], "x".repeat(1_025)],
    ["result", ["result", "stdout", "sha256"], "00"],
    ["result", ["result", "stdout", "text"], "x".repeat(4_097)],
    ["result", ["result", "stdout", "text"], "\u0000".repeat(683)],
    ["result.signal", ["result", "signal"], "KILL"],
    ["hello", ["methods", 0], "a.b"],
    ["hello", ["facts", "os"], "x".repeat(129)],
    ["hello", ["runs", 1, "name"], "-"],
    ["hello", ["runs"], Array.from({ length: 65 }, () => null)],
    ["hello", ["runsWithoutReceipt"], -1],
    ["hello-reply.accepted", ["time"], "now"],
    ["hello-reply.refused", ["reason"], "Because"],
    ["hello-reply.accepted", ["commandKeys", "keys"], []],
    ["hello-reply.accepted", ["commandKeys", "serial"], 0],
    ["hello-reply.accepted", ["commandKeys", "keys", 0], `A${"A".repeat(55)}`],
    ["hello", ["sequence"], 0],
    ["hello", ["sealingKey"], "AAAA"],
    ["hello", ["trustSerial"], 0],
    ["hello-request", ["signedAt"], "now"],
    ["command", ["work", "runAs"], "root; reboot"],
    ["command", ["work", "runAs"], ""],
    ["command", ["sealed"], "{}"],
    ["command", ["sealed"], "A".repeat(262_148)],
    ["enroll", ["publicKey"], "SU"],
    ["enroll", ["token"], "U".repeat(57)],
    ["enroll", ["nonce"], "1"],
    ["enroll-reply.enrolled", ["jwt"], "x".repeat(4_097)],
    ["enroll-reply.refused", ["reason"], "Because"],
    ["error", ["severity"], "info"],
    ["error", ["node"], "*"],
  ])("of %s is refused if its %j is %j", (name, path, value) => {
    const { type, payload } = golden(name);
    const wire = encodeGolden(type, withValueAt(payload, path, value));
    expect(messageOf(type, wire)).toMatch(
      new RegExp(`^${rootOf(type)}\\.${path.join("\\.")}(\\.\\d+)?: .`),
    );
  });

  test("of a result has a result", () => {
    const { type, payload } = golden("result");
    const wire = encodeGolden(type, withValueAt(payload, ["result"], undefined));
    expect(messageOf(type, wire)).toMatch(/^payload\.result: /);
  });

  test("is refused in bounded words, whatever its field is called", () => {
    const { type, payload } = golden("hello");
    const wire = encodeGolden(type, { ...(payload as object), ["🚢".repeat(500_000)]: 1 });
    const message = messageOf(type, wire);
    expect(message.length).toBeLessThan(300);
    expect(message.isWellFormed()).toBe(true);
  });

  test.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
    "with a key %s is refused and changes no prototype",
    (key) => {
      const { type, payload } = golden("hello");
      const json = JSON.stringify(payload).replace(
        /^\{/,
        `{${JSON.stringify(key)}:{"polluted":1},`,
      );
      const frame = { ...framed(type, payload), payload: Buffer.from(json).toString("base64") };
      expect(messageOf(type, bytes(frame))).toContain(key);
      expect(messageOf(type, Buffer.from(json))).toMatch(/^envelope/);
      expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    },
  );

  test("may be nested deeper than any stack", () => {
    const { type } = golden("hello");
    const deep = Buffer.from("[".repeat(200_000) + "]".repeat(200_000));
    const frame = { ...framed(type, null), payload: deep.toString("base64") };
    expect(messageOf(type, deep)).toMatch(/^envelope/);
    expect(messageOf(type, bytes(frame))).toMatch(/^payload/);
  });
});

/** Decoding either throws the one error or returns exactly what was sent. */
function check(type: AnyMessageType, wire: Uint8Array, sent?: unknown): void {
  try {
    const decoded = decodeGolden(type, wire, ANYONE);
    expect(type.schema.safeParse(decoded).success).toBe(true);
    if (sent !== undefined) expect(JSON.parse(JSON.stringify(sent))).toEqual(decoded);
  } catch (thrown) {
    if (!(thrown instanceof MalformedMessageError)) throw thrown;
    expect(thrown.message).toMatch(/^(envelope|payload)/);
  }
}

describe("whatever comes in", () => {
  const anyType = fc.constantFrom(...types);
  const anyGolden = fc.constantFrom(...goldens);
  const anyJson = fc.jsonValue({ maxDepth: 4 });

  test("random bytes are refused", () => {
    fc.assert(
      fc.property(anyType, fc.uint8Array({ maxLength: 200 }), (type, wire) => {
        expect(thrownBy(type, wire)).toBeInstanceOf(MalformedMessageError);
      }),
    );
  });

  test("random JSON is refused, as a frame and as a payload", () => {
    fc.assert(
      fc.property(anyType, anyJson, (type, json) => {
        expect(thrownBy(type, bytes(json))).toBeInstanceOf(MalformedMessageError);
        const wire = bytes(framed(type, json));
        expect(thrownBy(type, wire)).toBeInstanceOf(MalformedMessageError);
      }),
    );
  });

  test("a message with some bytes changed is refused or still a message", () => {
    const changes = fc.array(fc.tuple(fc.nat(2_000), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(anyGolden, changes, ({ type, wire }, given) => {
        const changed = Uint8Array.from(wire);
        for (const [index, byte] of given) changed[index % wire.length] = byte;
        check(type, changed);
      }),
      { numRuns: 300 },
    );
  });

  test("a message that was cut short is refused", () => {
    fc.assert(
      fc.property(anyGolden, fc.nat(), ({ type, wire }, length) => {
        const thrown = thrownBy(type, wire.subarray(0, length % wire.length));
        expect(thrown).toBeInstanceOf(MalformedMessageError);
      }),
    );
  });

  test("a message with a value changed or left out is refused or what was sent", () => {
    const anyValue = fc.oneof(
      anyJson,
      fc.constant(undefined),
      fc.constantFrom(
        "",
        "x".repeat(5_000),
        -1,
        0,
        1,
        2 ** 53,
        1e300,
        "\u0000",
        "\ud800",
        "__proto__",
      ),
    );
    fc.assert(
      fc.property(anyGolden, fc.nat(), anyValue, ({ type, payload }, index, value) => {
        const inside = [...places(payload)];
        const path = inside[index % inside.length]?.path ?? [];
        const changed = withValueAt(payload, path, value) ?? null;
        check(type, bytes(framed(type, changed)), changed);
      }),
      { numRuns: 500 },
    );
  });

  test("a frame with a value changed is refused or what was sent", () => {
    const fields = fc.constantFrom("payloadType", "payload", "signatures", "__proto__", "x");
    fc.assert(
      fc.property(anyGolden, fields, anyJson, ({ type, payload }, field, value) => {
        const frame = { ...framed(type, payload), [field]: value };
        check(type, bytes(frame), payload);
      }),
    );
  });
});
