import { decode, type Account, type Operator, type User } from "@nats-io/jwt";
import { describe, expect, test } from "vitest";

import {
  encodeControllerJwt,
  encodeEnrollmentJwt,
  encodeFleetAccountJwt,
  encodeNodeJwt,
  encodeOperatorJwt,
  encodeSystemAccountJwt,
  encodeSystemUserJwt,
} from "../../../src/identity/claims.ts";
import { newKeyPair } from "../../../src/identity/key-pair.ts";
import {
  CONTROLLER_GRANT,
  ENROLLMENT_GRANT,
  NODE_GRANT,
  systemGrant,
} from "../../../src/identity/node-permissions.ts";

const operator = newKeyPair("operator");
const operatorSigning = newKeyPair("operator");
const [system, fleet, nodeSigning] = [
  newKeyPair("account"),
  newKeyPair("account"),
  newKeyPair("account"),
];
const user = newKeyPair("user");
const LIMITS = { conn: -1, subs: -1, data: -1, payload: -1, wildcards: true, leaf: 0 };

/** `decode` also checks the signature. */
describe("the JWT of", () => {
  test("the operator names who signs for it, and the system account", async () => {
    const jwt = await encodeOperatorJwt({
      operator,
      signingKeys: [operatorSigning.publicKey],
      systemAccount: system.publicKey,
    });
    expect(decode<Operator>(jwt)).toMatchObject({
      iss: operator.publicKey,
      sub: operator.publicKey,
      nats: {
        type: "operator",
        version: 2,
        signing_keys: [operatorSigning.publicKey],
        system_account: system.publicKey,
      },
    });
  });

  test("the system account takes no bearers", async () => {
    const jwt = await encodeSystemAccountJwt(system.publicKey, operatorSigning);
    expect(decode<Account>(jwt)).toMatchObject({
      iss: operatorSigning.publicKey,
      sub: system.publicKey,
      nats: { type: "account", limits: { ...LIMITS, disallow_bearer: true } },
    });
  });

  test("the fleet's account is made without its own seed, and holds the scope of nodes", async () => {
    const revocations = { [user.publicKey]: 1_700_000_000 };
    const jwt = await encodeFleetAccountJwt(
      { account: fleet.publicKey, nodeSigningKey: nodeSigning.publicKey, revocations },
      operatorSigning,
    );
    const { iss, sub, nats, exp } = decode<Account>(jwt);
    expect({ iss, sub, exp }).toEqual({
      iss: operatorSigning.publicKey,
      sub: fleet.publicKey,
      exp: undefined,
    });
    expect(nats).toEqual({
      type: "account",
      version: 2,
      limits: { ...LIMITS, imports: 0, exports: 0 },
      revocations,
      signing_keys: [
        {
          kind: "user_scope",
          key: nodeSigning.publicKey,
          role: "node",
          template: { ...NODE_GRANT, src: [], times: [], locale: "", bearer_token: false },
        },
      ],
    });
  });

  test("a node has nothing but its name: the rest is in the scope", async () => {
    const jwt = await encodeNodeJwt(
      { node: "ship1", publicKey: user.publicKey, account: fleet.publicKey, expiresAt: 12_999 },
      nodeSigning,
    );
    const { iss, sub, name, exp, nats } = decode<User>(jwt);
    expect({ iss, sub, name, exp, nats }).toEqual({
      iss: nodeSigning.publicKey,
      sub: user.publicKey,
      name: "ship1",
      exp: 12,
      nats: { type: "user", version: 2, issuer_account: fleet.publicKey },
    });
  });

  test.each(["*", ">", "a.b", "", "Ship", "a b", "{{name()}}", "-a", "a".repeat(64)])(
    "no node is called %j",
    async (node) => {
      const claims = { node, publicKey: user.publicKey, account: fleet.publicKey, expiresAt: 0 };
      await expect(encodeNodeJwt(claims, nodeSigning)).rejects.toThrow(RangeError);
    },
  );

  test("the controller, of who wants to be enrolled, of the controller in the system account", async () => {
    const users = [
      {
        jwt: await encodeControllerJwt(user.publicKey, fleet),
        iss: fleet.publicKey,
        nats: CONTROLLER_GRANT,
      },
      {
        jwt: await encodeEnrollmentJwt(user.publicKey, fleet),
        iss: fleet.publicKey,
        nats: { ...ENROLLMENT_GRANT, bearer_token: true },
      },
      {
        jwt: await encodeSystemUserJwt(user.publicKey, system, fleet.publicKey),
        iss: system.publicKey,
        nats: systemGrant(fleet.publicKey),
      },
    ];
    for (const { jwt, iss, nats } of users) {
      const claims = decode<User>(jwt);
      expect(claims).toMatchObject({ iss, sub: user.publicKey });
      expect(claims.exp).toBeUndefined();
      expect(claims.nats).toEqual({ ...nats, type: "user", version: 2 });
    }
  });
});
