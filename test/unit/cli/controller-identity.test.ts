import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "vitest";

import { controllerIdentity } from "../../../src/cli/controller-identity.ts";
import { FollowedKeys } from "../../../src/cli/controller-keys.ts";
import { createFileKeyStore } from "../../../src/cli/key-store-files.ts";
import { encodeFleetAccountJwt } from "../../../src/identity/claims.ts";
import { newKeyPair, type KeyPair } from "../../../src/identity/key-pair.ts";
import { completeKeySets } from "../../../src/identity/key-sets.ts";
import type { NatsBus } from "../../../src/nats/connect-bus.ts";
import { NODE_KEY } from "../../support/test-keys.ts";

test("of what a broker says is revoked only that counts which a controller has signed", async () => {
  const dir = await mkdtemp(join(tmpdir(), "steward-keys-"));
  try {
    const options = { now: Date.now(), serverNames: ["localhost"] };
    await createFileKeyStore(dir).write(await completeKeySets(new Map(), options));
    const keys = await FollowedKeys.open(join(dir, "controller"));
    const { account, nodeSigning, operatorSigning } = keys.current;
    const revocations = { [NODE_KEY.publicKey]: 1_800_000_000 };
    const pushedBy = async (signer: KeyPair): Promise<unknown> => {
      const claims = { account, nodeSigningKey: nodeSigning.publicKey, revocations };
      const data = Buffer.from(await encodeFleetAccountJwt(claims, signer));
      const bus: Pick<NatsBus, "request" | "requestMany"> = {
        request: () => Promise.resolve({ kind: "reply", data }),
        requestMany: () => Promise.resolve([]),
      };
      const transport = { request: () => Promise.reject(new Error("not asked")) };
      return controllerIdentity({
        keys,
        systemBus: bus,
        transport,
        namespace: "steward",
        lifetimeMs: 1,
      }).account.pushed();
    };
    expect(await pushedBy(operatorSigning)).toEqual({ revokedAt: revocations, isOurs: true });
    expect(await pushedBy(newKeyPair("operator"))).toEqual({ revokedAt: {}, isOurs: false });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
