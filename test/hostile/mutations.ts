import { preAuthenticationEncoding, type Signer } from "../../src/protocol/signature.ts";
import type { Random } from "../../src/runtime/random.ts";
import { between, pick } from "../support/seeded-random.ts";
import type { Frame } from "../support/golden-messages.ts";
import { places, withValueAt, type Path } from "../support/json-walk.ts";
import { bytesOf, frameOf, type Said } from "./frame.ts";

/** What one does with messages that one may read, hold back, change and repeat, but not sign. */
export interface Mutation extends Said {
  readonly attack: string;
}

export interface MutationWorld {
  readonly random: Random;
  /** What was said, by whomever, to whomever. */
  readonly corpus: readonly Said[];
  /** Where it may be said again. */
  readonly subjects: readonly string[];
  /** The attacker's own key, which nobody trusts. */
  readonly stranger: Signer;
}

interface Material {
  readonly random: Random;
  readonly one: Said;
  readonly other: Said;
  readonly world: MutationWorld;
}

export function mutationOf(world: MutationWorld): Mutation {
  const { random, corpus } = world;
  const attack = pick(random, ATTACKS);
  const material = { random, world, one: pick(random, corpus), other: pick(random, corpus) };
  return { attack: attack.name, ...attack.make(material) };
}

type Make = (material: Material) => Said;

const ATTACKS: readonly { readonly name: string; readonly make: Make }[] = [
  { name: "a bit of the frame flipped", make: onBytes(flipBit) },
  { name: "bytes of the frame put in or left out", make: onBytes(edit) },
  { name: "the frame cut short", make: onBytes((random, bytes) => cut(random, bytes)) },
  { name: "a bit of the payload flipped", make: onPayload(flipBit) },
  { name: "the payload cut short", make: onPayload(cut) },
  { name: "a field of the payload changed", make: onFields(changedField) },
  { name: "a field of another message's payload", make: onFields(foreignField) },
  { name: "the payload written otherwise", make: onFields((payload) => payload, " ") },
  {
    name: "the payload of another message",
    make: onFrames(([one, other]) => ({ ...one, payload: other.payload })),
  },
  {
    name: "the type of another message",
    make: onFrames(([one, other]) => ({ ...one, payloadType: other.payloadType })),
  },
  {
    name: "another version of its type",
    make: onFrames(([one]) => ({
      ...one,
      payloadType: one.payloadType.replace(/\.v\d+\+/, ".v2+"),
    })),
  },
  {
    name: "the signatures of another message",
    make: onFrames(([one, other]) => ({ ...one, signatures: other.signatures })),
  },
  { name: "its signatures taken away", make: onFrames(([one]) => ({ ...one, signatures: [] })) },
  { name: "signed by a stranger", make: strangerSigns((frame) => frame) },
  { name: "changed and signed by a stranger", make: strangerSigns(withFieldChanged) },
  { name: "signed by a stranger under another's key id", make: strangerPoses },
  { name: "key ids swapped", make: onFrames(swappedKeys) },
  {
    name: "nine signatures",
    make: onFrames(([one]) => ({
      ...one,
      signatures: Array.from({ length: 9 }, () => one.signatures[0] ?? { keyid: "", sig: "" }),
    })),
  },
  { name: "a bit of the signature flipped", make: flippedSignature },
  { name: "repeated as it was", make: ({ one }) => one },
  {
    name: "said on another subject",
    make: ({ one, random, world }) => ({ ...one, subject: pick(random, world.subjects) }),
  },
  {
    name: "said on another message's subject",
    make: ({ one, other }) => ({ ...one, subject: other.subject }),
  },
  { name: "the frame written otherwise", make: rewritten },
  {
    name: "a field too many in the frame",
    make: ({ one }) => ({ ...one, data: bytesOf({ ...frameOf(one.data), trusted: true }) }),
  },
  { name: "a payload twice in the frame", make: doubled },
  { name: "junk", make: ({ one, random }) => ({ ...one, data: junk(random) }) },
];

function onBytes(change: (random: Random, bytes: Buffer) => Uint8Array): Make {
  return ({ one, random }) => ({ ...one, data: change(random, Buffer.from(one.data)) });
}

function onPayload(change: (random: Random, bytes: Buffer) => Uint8Array): Make {
  return ({ one, random }) => {
    const frame = frameOf(one.data);
    const payload = change(random, Buffer.from(frame.payload, "base64"));
    return withFrame(one, { ...frame, payload: Buffer.from(payload).toString("base64") });
  };
}

function onFrames(change: (frames: readonly [Frame, Frame], random: Random) => Frame): Make {
  return ({ one, other, random }) =>
    withFrame(one, change([frameOf(one.data), frameOf(other.data)], random));
}

type ChangePayload = (payload: unknown, material: Material) => unknown;

function onFields(change: ChangePayload, indent = ""): Make {
  return (material) => {
    const frame = frameOf(material.one.data);
    const json = JSON.stringify(change(payloadOf(frame), material), null, indent);
    return withFrame(material.one, { ...frame, payload: Buffer.from(json).toString("base64") });
  };
}

function withFrame(said: Said, frame: Frame): Said {
  return { ...said, data: bytesOf(frame) };
}

function payloadOf(frame: Frame): unknown {
  return JSON.parse(Buffer.from(frame.payload, "base64").toString());
}

function flipBit(random: Random, bytes: Buffer): Uint8Array {
  const at = between(random, 0, bytes.length - 1);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << between(random, 0, 7));
  return bytes;
}

function edit(random: Random, bytes: Buffer): Uint8Array {
  const at = between(random, 0, bytes.length);
  const added = Buffer.from(
    Array.from({ length: between(random, 0, 3) }, () => between(random, 0, 255)),
  );
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + between(random, 0, 3))]);
}

function cut(random: Random, bytes: Buffer): Uint8Array {
  return bytes.subarray(0, between(random, 0, bytes.length - 1));
}

const VALUES: readonly unknown[] = [
  "",
  "ship1",
  "ship2",
  "root",
  "x",
  0,
  1,
  2,
  2 ** 53,
  -1,
  true,
  false,
  null,
  [],
  {},
  "1970-01-01T00:00:00.000Z",
  "2099-01-01T00:00:00.000Z",
  "00000000-0000-4000-8000-000000000000",
  ["echo changed"],
];

function anyPlace(payload: unknown, random: Random): Path {
  return pick(random, [...places(payload)].slice(1)).path;
}

function changedField(payload: unknown, { random }: Material): unknown {
  return withValueAt(payload, anyPlace(payload, random), pick(random, VALUES));
}

/** The same field as another message has it: another session, node, uid or work, and all of it well-formed. */
function foreignField(payload: unknown, material: Material): unknown {
  const fields = Object.entries(payloadOf(frameOf(material.other.data)) as object);
  const [name, value]: [string, unknown] = pick(material.random, fields);
  return withValueAt(payload, [name], value);
}

function strangerSigns(change: (frame: Frame, material: Material) => Frame): Make {
  return (material) =>
    withFrame(
      material.one,
      signed(change(frameOf(material.one.data), material), material.world.stranger),
    );
}

function withFieldChanged(frame: Frame, material: Material): Frame {
  const payload = changedField(payloadOf(frame), material);
  return { ...frame, payload: Buffer.from(JSON.stringify(payload)).toString("base64") };
}

function signed(frame: Frame, signer: Signer, keyid = signer.keyID): Frame {
  const bytes = preAuthenticationEncoding(frame.payloadType, Buffer.from(frame.payload, "base64"));
  return {
    ...frame,
    signatures: [{ keyid, sig: Buffer.from(signer.sign(bytes)).toString("base64") }],
  };
}

function strangerPoses({ one, world }: Material): Said {
  const frame = frameOf(one.data);
  return withFrame(one, signed(frame, world.stranger, frame.signatures[0]?.keyid ?? ""));
}

function swappedKeys([one, other]: readonly [Frame, Frame], random: Random): Frame {
  const keyid = pick(random, ["", "*", "__proto__", other.signatures[0]?.keyid ?? ""]);
  return { ...one, signatures: one.signatures.map(({ sig }) => ({ keyid, sig })) };
}

function flippedSignature({ one, random }: Material): Said {
  const frame = frameOf(one.data);
  const signatures = frame.signatures.map(({ keyid, sig }) => ({
    keyid,
    sig: Buffer.from(flipBit(random, Buffer.from(sig, "base64"))).toString("base64"),
  }));
  return withFrame(one, { ...frame, signatures });
}

/** With the same content: other white space, order, escapes, or unused bits of the base64. */
function rewritten({ one, random }: Material): Said {
  const { payloadType, payload, signatures } = frameOf(one.data);
  const texts = [
    JSON.stringify({ signatures, payload, payloadType }),
    JSON.stringify({ payloadType, payload, signatures }, null, "\t"),
    JSON.stringify({ payloadType, payload, signatures }).replaceAll("a", String.raw`\u0061`),
    JSON.stringify({ payloadType, payload: payload.replace(/=+$/, ""), signatures }),
    JSON.stringify({
      payloadType,
      payload: payload.replaceAll("+", "-").replaceAll("/", "_"),
      signatures,
    }),
    JSON.stringify({ payloadType, payload: payload.replace(/.{76}/g, "$&\n"), signatures }),
    JSON.stringify({
      payloadType,
      payload: payload.replace(/.(?=={1,2}$)/, nextDigit),
      signatures,
    }),
    `\uFEFF${JSON.stringify({ payloadType, payload, signatures })}`,
  ];
  return { ...one, data: Buffer.from(pick(random, texts)) };
}

function nextDigit(digit: string): string {
  return String.fromCodePoint((digit.codePointAt(0) ?? 0) + 1);
}

function doubled({ one, other, random }: Material): Said {
  const { payloadType, payload, signatures } = frameOf(one.data);
  const [first, second] =
    random() < 0.5
      ? [payload, frameOf(other.data).payload]
      : [frameOf(other.data).payload, payload];
  const rest = JSON.stringify({ payloadType, signatures }).slice(1);
  const text = `{"payload":${JSON.stringify(first)},"payload":${JSON.stringify(second)},${rest}`;
  return { ...one, data: Buffer.from(text) };
}

function junk(random: Random): Uint8Array {
  const kinds = [
    () => Buffer.alloc(0),
    () =>
      Buffer.from(Array.from({ length: between(random, 1, 200) }, () => between(random, 0, 255))),
    () => Buffer.from("[".repeat(between(random, 1, 20_000))),
    () => Buffer.from('{"__proto__":{"isTrusted":true}}'),
    () => Buffer.from(`{"payloadType":"${"x".repeat(between(random, 1, 2_000))}"`),
  ];
  return pick(random, kinds)();
}
