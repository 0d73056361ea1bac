import { z } from "zod";
import type { KubernetesObject } from "../api/meta.ts";
import type { Revocations, RevocationStore } from "../controller/identity/ports.ts";
import { createResourceClient } from "../kubernetes/resource-client.ts";
import type { Transport } from "../kubernetes/transport.ts";

interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

const NAME = "steward-revocations";
const KEY = "revocations.json";
const configMaps = { group: "", version: "v1", kind: "ConfigMap", plural: "configmaps" };
const schema = z.record(
  z.string(),
  z.object({
    revokedAt: z.int(),
    until: z.number(),
    isReissued: z.boolean().optional(),
  }),
);

/**
 * What is revoked, in a ConfigMap that only the leader writes. Both operations throw what the API server throws: a
 * conflict is another leader's write, and what it wrote is to be loaded then.
 */
export function createRevocationStore(
  transport: Pick<Transport, "request">,
  namespace: string,
): RevocationStore {
  const client = createResourceClient<ConfigMap>(transport, configMaps);
  let stored: ConfigMap | undefined;
  return {
    load: async () => {
      stored = await client.get(namespace, NAME);
      return parsed(stored?.data?.[KEY]);
    },
    save: async (revocations) => {
      const data = { [KEY]: JSON.stringify(Object.fromEntries(revocations)) };
      stored =
        stored === undefined
          ? await client.create({ metadata: { namespace, name: NAME }, data })
          : await client.update({ ...stored, data });
    },
  };
}

/** What somebody has made unreadable is not overwritten: it says who must not come in. */
function parsed(text: string | undefined): Revocations {
  if (text === undefined) return new Map();
  try {
    const entries = Object.entries(schema.parse(JSON.parse(text)));
    return new Map(
      entries.map(([key, { revokedAt, until, isReissued = false }]) => [
        key,
        { revokedAt, until, ...(isReissued ? { isReissued } : {}) },
      ]),
    );
  } catch (thrown) {
    throw new Error(
      `ConfigMap ${NAME}: ${KEY} cannot be read: put it right, or delete the ConfigMap to have it made again of ` +
        "what the broker has",
      { cause: thrown },
    );
  }
}
