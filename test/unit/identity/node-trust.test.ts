import { expect, test } from "vitest";
import {
  NodeTrustError,
  parseNodeTrust,
  serialiseNodeTrust,
} from "../../../src/identity/node-trust.ts";
import { CONTROLLER_KEY } from "../../support/test-keys.ts";

const TRUST = {
  servers: ["tls://broker.example.com:4222"],
  node: "ship1",
  namespace: "fleet",
  clusterID: "c1c1c1c1-0000-4000-8000-000000000001",
  ca: "-----BEGIN CERTIFICATE-----\n…\n",
  commandKeys: { serial: 3, keys: [CONTROLLER_KEY.publicKey] },
  enrollmentJwt: "e.e.e",
};

test("what a node trusts is read back as it was written", () => {
  expect(parseNodeTrust(serialiseNodeTrust(TRUST))).toEqual(TRUST);
});

test.each([
  ["no JSON", "it is no JSON object"],
  ["[]", "it is no JSON object"],
  [JSON.stringify({ ...TRUST, node: "Ship.One" }), "node is not as it must be"],
  [JSON.stringify({ ...TRUST, commandKeys: { serial: 0, keys: [] } }), "commandKeys.serial"],
  [JSON.stringify({ ...TRUST, ca: undefined }), "ca is not as it must be"],
  [JSON.stringify({ ...TRUST, seed: "S" }), "it has a field that is unknown"],
])("%s is refused", (text, message) => {
  const parse = (): unknown => parseNodeTrust(text);
  expect(parse).toThrow(NodeTrustError);
  expect(parse).toThrow(message);
});
