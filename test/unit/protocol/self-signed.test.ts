import { describe, expect, test } from "vitest";

import { isSignedBy } from "../../../src/identity/key-pair.ts";
import { signerOf } from "../../../src/identity/signatures.ts";
import { enrollMessage } from "../../../src/protocol/enroll.ts";
import {
  decodeSelfSigned,
  encodeMessage,
  MalformedMessageError,
  UntrustedMessageError,
} from "../../../src/protocol/envelope.ts";
import type { Signer } from "../../../src/protocol/signature.ts";
import { CONTROLLER_KEY, NODE_KEY, TOKEN_KEY } from "../../support/test-keys.ts";

const request = {
  namespace: "default",
  node: "ship1",
  publicKey: NODE_KEY.publicKey,
  nonce: "11111111-1111-4111-8111-111111111111",
};
const node = signerOf(NODE_KEY);
const token = signerOf(TOKEN_KEY);
/** Says that it is the token. */
const pretender: Signer = {
  keyID: TOKEN_KEY.publicKey,
  sign: (bytes) => CONTROLLER_KEY.sign(bytes),
};

describe("a message that says itself who has signed it", () => {
  test.each<{ name: string; signers: readonly Signer[]; by: readonly string[] }>([
    { name: "one", signers: [node], by: [NODE_KEY.publicKey] },
    { name: "two", signers: [node, token], by: [NODE_KEY.publicKey, TOKEN_KEY.publicKey] },
    {
      name: "one, and one who pretends to be another",
      signers: [node, pretender],
      by: [NODE_KEY.publicKey],
    },
    { name: "one who pretends first", signers: [pretender, token], by: [TOKEN_KEY.publicKey] },
  ])("by $name", ({ signers, by }) => {
    const bytes = encodeMessage(enrollMessage, request, signers);
    const { message, signedBy } = decodeSelfSigned(enrollMessage, bytes, isSignedBy);
    expect(message).toEqual(request);
    expect(signedBy).toEqual(new Set(by));
  });

  test.each<{ name: string; signers: readonly Signer[] }>([
    { name: "nobody", signers: [] },
    { name: "somebody who pretends to be another", signers: [pretender] },
  ])("by $name is not read", ({ signers }) => {
    const bytes = encodeMessage(enrollMessage, request, signers);
    expect(() => decodeSelfSigned(enrollMessage, bytes, isSignedBy)).toThrow(UntrustedMessageError);
  });

  test("is malformed where it is, though it is signed", () => {
    const bytes = encodeMessage(enrollMessage, { ...request, node: "Ship 1" }, [node]);
    const decoding = (): unknown => decodeSelfSigned(enrollMessage, bytes, isSignedBy);
    expect(decoding).toThrow(MalformedMessageError);
    expect(decoding).not.toThrow(UntrustedMessageError);
  });
});
