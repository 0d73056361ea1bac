import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSignedBy, newKeyPair } from "../../../src/identity/key-pair.ts";
import { signerOf, trustIn } from "../../../src/identity/signatures.ts";
import { ackMessage } from "../../../src/protocol/ack.ts";
import { enrollMessage, type Enroll } from "../../../src/protocol/enroll.ts";
import {
  decodeReply,
  decodeSelfSigned,
  encodeReply,
  MalformedMessageError,
  payloadType,
  UnsupportedVersionError,
  UntrustedMessageError,
} from "../../../src/protocol/envelope.ts";
import {
  ANYONE,
  NO_SIGNERS,
  preAuthenticationEncoding,
  type Signer,
  type Trust,
} from "../../../src/protocol/signature.ts";
import {
  decodeGolden,
  encodeGolden,
  goldenFrame,
  goldenMessages,
  goldenSigners,
  type AnyMessageType,
  type Frame,
  type GoldenMessage,
} from "../../support/golden-messages.ts";
import {
  CONTROLLER_KEY,
  CONTROLLER_SIGNERS,
  NODE_KEY,
  NODE_SIGNERS,
  TOKEN_KEY,
} from "../../support/test-keys.ts";

const goldens = await goldenMessages();
const signers = [CONTROLLER_KEY, NODE_KEY, TOKEN_KEY].map(signerOf);
const stranger = signerOf(newKeyPair("user"));

function golden(wanted: string): GoldenMessage {
  const found = goldens.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`there is no golden message ${wanted}`);
  return found;
}

/** Whoever says such a message in the golden files, and nobody else. */
function rightTrust({ type, payload }: Pick<GoldenMessage, "type" | "payload">): Trust {
  return trustIn(() => goldenSigners(type, payload).map(({ keyID }) => keyID));
}

function bytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function thrownBy(type: AnyMessageType, wire: Uint8Array, trust: Trust): unknown {
  try {
    decodeGolden(type, wire, trust);
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}

const command = golden("command");
const trust = rightTrust(command);
const frame = goldenFrame(command.type, command.payload);
const [signature = { keyid: "", sig: "" }] = frame.signatures;

function signed(
  payloadTypeOfIt: string,
  payload: Uint8Array,
  by: readonly Signer[] = CONTROLLER_SIGNERS,
): Frame {
  return {
    payloadType: payloadTypeOfIt,
    payload: Buffer.from(payload).toString("base64"),
    signatures: by.map((signer) => ({
      keyid: signer.keyID,
      sig: Buffer.from(signer.sign(preAuthenticationEncoding(payloadTypeOfIt, payload))).toString(
        "base64",
      ),
    })),
  };
}

describe("who trusts somebody refuses", () => {
  test.each(goldens)("$name without a signature", ({ type, payload, wire }) => {
    const unsigned = encodeGolden(type, payload, NO_SIGNERS);
    const thrown = thrownBy(type, unsigned, rightTrust({ type, payload }));
    expect(thrown).toBeInstanceOf(UntrustedMessageError);
    expect(thrown).toHaveProperty("message", "envelope.signatures: it is not signed");
    expect(thrownBy(type, wire, rightTrust({ type, payload }))).toBeUndefined();
  });

  test.each(goldens)("$name by a key that it does not trust", ({ type, payload }) => {
    const wire = encodeGolden(type, payload, [stranger]);
    const thrown = thrownBy(type, wire, rightTrust({ type, payload }));
    expect(thrown).toBeInstanceOf(UntrustedMessageError);
    expect(thrown).toHaveProperty(
      "message",
      "envelope.signatures: none is good and of a key that is trusted",
    );
  });

  test("everybody, if it trusts nobody", () => {
    for (const { type, wire } of goldens) {
      const nobody = trustIn(() => []);
      expect(thrownBy(type, wire, nobody)).toBeInstanceOf(UntrustedMessageError);
    }
  });

  const other = goldenFrame(command.type, golden("command.minimal").payload);
  const [foreign = signature] = goldenFrame(command.type, command.payload, [stranger]).signatures;
  const asWithdrawal = payloadType(golden("withdrawal.run").type);
  test.each<[string, Frame]>([
    [
      "signature of nothing",
      { ...frame, signatures: [{ ...signature, sig: Buffer.alloc(64).toString("base64") }] },
    ],
    ["empty signature", { ...frame, signatures: [{ ...signature, sig: "" }] }],
    ["signature that was cut", { ...frame, signatures: [{ ...signature, sig: "AAAA" }] }],
    ["signature of another payload", { ...frame, signatures: other.signatures }],
    ["payload under another's signature", { ...frame, payload: other.payload }],
    ["payload said as another message", { ...frame, payloadType: asWithdrawal }],
    [
      "good signature under another trusted key's id",
      { ...frame, signatures: [{ ...signature, keyid: NODE_KEY.publicKey }] },
    ],
    [
      "good signature under the id of a stranger",
      { ...frame, signatures: [{ ...signature, keyid: stranger.keyID }] },
    ],
    ["good signature under no id", { ...frame, signatures: [{ ...signature, keyid: "" }] }],
    [
      "foreign signature under a trusted key's id",
      { ...frame, signatures: [{ keyid: signature.keyid, sig: foreign.sig }] },
    ],
    [
      "eight foreign ones",
      {
        ...frame,
        signatures: Array.from({ length: 8 }, () => ({ ...signature, keyid: stranger.keyID })),
      },
    ],
  ])("a command with a %s", (_, changed) => {
    const both = trustIn(() => [CONTROLLER_KEY.publicKey, NODE_KEY.publicKey]);
    const believers: readonly Trust[] = [trust, both];
    for (const believes of believers) {
      expect(thrownBy(command.type, bytes(changed), believes)).toBeInstanceOf(
        UntrustedMessageError,
      );
    }
  });

  test("what is signed over the payload alone, without its kind", () => {
    const payload = Buffer.from(frame.payload, "base64");
    const sig = Buffer.from(CONTROLLER_KEY.sign(payload)).toString("base64");
    const changed = { ...frame, signatures: [{ ...signature, sig }] };
    expect(thrownBy(command.type, bytes(changed), trust)).toBeInstanceOf(UntrustedMessageError);
  });

  test("a frame of nine signatures before it verifies any", () => {
    let asked = 0;
    const counting: Trust = () => {
      asked++;
      return true;
    };
    const changed = { ...frame, signatures: Array.from({ length: 9 }, () => signature) };
    const thrown = thrownBy(command.type, bytes(changed), counting);
    expect(thrown).toBeInstanceOf(MalformedMessageError);
    expect(thrown).toHaveProperty("message", expect.stringMatching(/^envelope\.signatures: /));
    expect(asked).toBe(0);
  });
});

describe("who trusts somebody takes", () => {
  const strange = goldenFrame(command.type, command.payload, [stranger]).signatures;

  test.each<[string, Frame]>([
    ["one good signature after foreign ones", { ...frame, signatures: [...strange, signature] }],
    ["one good signature before foreign ones", { ...frame, signatures: [signature, ...strange] }],
    ["one good signature twice", { ...frame, signatures: [signature, signature] }],
  ])("a command with %s", (_, changed) => {
    expect(decodeGolden(command.type, bytes(changed), trust)).toEqual(command.payload);
  });

  test("the old key and the new one of a sender that signs with both", () => {
    const wire = encodeGolden(command.type, command.payload, signers);
    for (const { keyID } of signers) {
      expect(
        decodeGolden(
          command.type,
          wire,
          trustIn(() => [keyID]),
        ),
      ).toEqual(command.payload);
    }
  });

  test("a key from the moment on in which it comes to trust it", () => {
    const keys: string[] = [];
    const growing = trustIn(() => keys);
    expect(thrownBy(command.type, command.wire, growing)).toBeInstanceOf(UntrustedMessageError);
    keys.push(CONTROLLER_KEY.publicKey);
    expect(thrownBy(command.type, command.wire, growing)).toBeUndefined();
  });
});

function read(wire: Uint8Array): ReturnType<typeof decodeSelfSigned<Enroll>> {
  return decodeSelfSigned(enrollMessage, wire, isSignedBy);
}

describe("a message that says itself who has to sign it", () => {
  const enroll = golden("enroll");

  test("is read with all who have signed it", () => {
    expect(read(enroll.wire)).toEqual({
      message: enroll.payload,
      signedBy: new Set([NODE_KEY.publicKey, TOKEN_KEY.publicKey]),
    });
    expect(read(golden("enroll.renewal").wire).signedBy).toEqual(new Set([NODE_KEY.publicKey]));
  });

  test("is signed by no one whose signature is bad", () => {
    const signedFrame = goldenFrame(enroll.type, enroll.payload);
    const [node = signature, token = signature] = signedFrame.signatures;
    const swapped = [
      { keyid: node.keyid, sig: token.sig },
      { keyid: token.keyid, sig: node.sig },
    ];
    expect(() => read(bytes({ ...signedFrame, signatures: swapped }))).toThrow(
      UntrustedMessageError,
    );
    const half = [node, { keyid: token.keyid, sig: node.sig }];
    const { signedBy } = read(bytes({ ...signedFrame, signatures: half }));
    expect(signedBy).toEqual(new Set([NODE_KEY.publicKey]));
  });

  test.each([
    ["nobody", NO_SIGNERS, "envelope.signatures: none is good"],
    ["somebody, and is no such message", [stranger], "payload"],
  ])("is refused if it is signed by %s", (_, by, message) => {
    const wire = bytes(signed(payloadType(enroll.type), Buffer.from("{"), by));
    expect(() => read(wire)).toThrow(message);
  });
});

describe("a message is untrusted before anything of it is parsed:", () => {
  const type = payloadType(command.type);
  const payloads: [string, Uint8Array][] = [
    ["no JSON", Buffer.from("{")],
    ["no UTF-8", Buffer.from([0x22, 0xff, 0x22])],
    ["nothing", Buffer.alloc(0)],
    ["nested deeper than any stack", Buffer.from("[".repeat(200_000) + "]".repeat(200_000))],
    ["of two megabytes", Buffer.alloc(2_000_000, 0x20)],
    ["of fields that nobody knows", bytes({ a: { b: 1 } })],
  ];

  test.each(payloads)("a payload that is %s", (_, payload) => {
    for (const by of [[], [stranger]]) {
      const wire = bytes(signed(type, payload, by));
      expect(thrownBy(command.type, wire, trust)).toBeInstanceOf(UntrustedMessageError);
      expect(thrownBy(command.type, wire, ANYONE)).not.toBeInstanceOf(UntrustedMessageError);
    }
    const thrown = thrownBy(command.type, bytes(signed(type, payload)), trust);
    expect(thrown).toBeInstanceOf(MalformedMessageError);
    expect(thrown).not.toBeInstanceOf(UntrustedMessageError);
  });

  test.each(["application/vnd.steward.command.v2+json", "text/plain", ""])(
    "one of the type %j",
    (other) => {
      const payload = Buffer.from(frame.payload, "base64");
      const thrown = thrownBy(command.type, bytes(signed(other, payload, [stranger])), trust);
      expect(thrown).toBeInstanceOf(UntrustedMessageError);
      const known = thrownBy(command.type, bytes(signed(other, payload)), trust);
      expect(known).not.toBeInstanceOf(UntrustedMessageError);
      expect(known instanceof UnsupportedVersionError).toBe(other.includes(".command."));
    },
  );
});

describe("a reply", () => {
  const request = encodeGolden(command.type, command.payload);
  const payload = { answer: "absent" } as const;
  const reply = encodeReply(ackMessage, payload, { request, signers: NODE_SIGNERS });
  const fromNode = trustIn(() => [NODE_KEY.publicKey]);

  test("is taken for the one to its request", () => {
    expect(decodeReply(ackMessage, reply, { request, trust: fromNode })).toEqual(payload);
  });

  test("is never taken for one to another request, whoever is trusted", () => {
    const minimal = encodeGolden(command.type, golden("command.minimal").payload);
    for (const other of [minimal, request.subarray(1), new Uint8Array()]) {
      for (const believes of [fromNode, ANYONE] as const) {
        expect(() => decodeReply(ackMessage, reply, { request: other, trust: believes })).toThrow(
          "payload.request: it is the reply to another request",
        );
      }
    }
  });

  test("names the bytes of its request by their SHA-256", () => {
    const sent: unknown = JSON.parse(Buffer.from(reply).toString());
    const { payload: inside } = sent as Frame;
    expect(JSON.parse(Buffer.from(inside, "base64").toString())).toEqual({
      request: createHash("sha256").update(request).digest("hex"),
      reply: payload,
    });
  });
});

describe("what is signed", () => {
  test.each<[string, string, string]>([
    // The example of the DSSE specification.
    [
      "http://example.com/HelloWorld",
      "hello world",
      "DSSEv1 29 http://example.com/HelloWorld 11 hello world",
    ],
    ["", "", "DSSEv1 0  0 "],
    ["a b", " 1 ", "DSSEv1 3 a b 3  1 "],
    ["ü", "é", "DSSEv1 2 ü 2 é"],
  ])("of the type %j and the payload %j is %j", (type, payload, want) => {
    expect(preAuthenticationEncoding(type, Buffer.from(payload)).toString()).toBe(want);
  });

  test("is another thing for every other type or payload", () => {
    const part = fc.oneof(
      fc.string({ unit: fc.constantFrom(" ", "1", "2", "a"), maxLength: 6 }),
      fc.string(),
    );
    fc.assert(
      fc.property(part, part, part, part, (type, payload, otherType, otherPayload) => {
        const one = preAuthenticationEncoding(type, Buffer.from(payload));
        const other = preAuthenticationEncoding(otherType, Buffer.from(otherPayload));
        expect(one.equals(other)).toBe(type === otherType && payload === otherPayload);
      }),
    );
  });
});

function expectRefusedOrTheSame({ type, payload }: GoldenMessage, wire: Uint8Array): void {
  let decoded: unknown;
  try {
    decoded = decodeGolden(type, wire, rightTrust({ type, payload }));
  } catch (thrown) {
    if (thrown instanceof MalformedMessageError) return;
    throw thrown;
  }
  expect(decoded).toEqual(payload);
}

describe("whatever is changed on the way", () => {
  const anyGolden = fc.constantFrom(...goldens);

  test("one byte of a signed message: it is refused or says the same", () => {
    fc.assert(
      fc.property(anyGolden, fc.nat(), fc.integer({ min: 1, max: 255 }), (message, at, flip) => {
        const changed = Uint8Array.from(message.wire);
        const index = at % changed.length;
        changed[index] = (changed[index] ?? 0) ^ flip;
        expectRefusedOrTheSame(message, changed);
      }),
      { numRuns: 2_000 },
    );
  });

  test("every single bit of the signature of a command: it is refused", () => {
    const good = Buffer.from(signature.sig, "base64");
    for (let bit = 0; bit < good.length * 8; bit++) {
      const sig = Buffer.from(good);
      sig[bit >> 3] = (sig[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const wire = bytes({ ...frame, signatures: [{ ...signature, sig: sig.toString("base64") }] });
      expect(thrownBy(command.type, wire, trust), `bit ${bit}`).toBeInstanceOf(
        UntrustedMessageError,
      );
    }
  });

  test("bytes put in, left out and moved: it is refused or says the same", () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(3), fc.uint8Array({ maxLength: 3 })), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(anyGolden, edits, (message, given) => {
        const changed = [...message.wire];
        for (const [at, remove, add] of given) {
          changed.splice(at % (changed.length + 1), remove, ...add);
        }
        expectRefusedOrTheSame(message, Uint8Array.from(changed));
      }),
      { numRuns: 1_000 },
    );
  });

  test("parts of two messages: they are refused or say what one of them said", () => {
    fc.assert(
      fc.property(anyGolden, anyGolden, fc.nat(7), (one, two, which) => {
        const [a, b] = [one, two].map(({ type, payload }) => goldenFrame(type, payload));
        if (a === undefined || b === undefined) return;
        const spliced = {
          payloadType: (which & 1 ? b : a).payloadType,
          payload: (which & 2 ? b : a).payload,
          signatures: (which & 4 ? b : a).signatures,
        };
        const said = which & 2 ? two : one;
        expectRefusedOrTheSame(said, bytes(spliced));
      }),
      { numRuns: 500 },
    );
  });
});
