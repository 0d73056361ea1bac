import {
  filesOf,
  partsOf,
  type KeyFile,
  type KeyFileChange,
  type KeyFiles,
  type KeySetName,
} from "../identity/key-set-layout.ts";
import { ApiError } from "../kubernetes/api-error.ts";
import { createResourceClient, type ResourceClient } from "../kubernetes/resource-client.ts";
import { SECRETS, secretText, toSecretValue, type Secret } from "../kubernetes/secret.ts";
import type { Transport } from "../kubernetes/transport.ts";
import { KeyStoreConflictError, type KeyStore } from "./key-store.ts";

const LABELS = {
  "app.kubernetes.io/name": "steward",
  "app.kubernetes.io/part-of": "steward",
  "app.kubernetes.io/managed-by": "steward-bootstrap",
} as const;

/** Key sets as Secrets of a namespace: `steward-<set>`, a key for each file. */
export function createSecretKeyStore(
  transport: Pick<Transport, "request">,
  namespace: string,
): KeyStore {
  const client = createResourceClient<Secret>(transport, SECRETS);
  return {
    description: `the Secrets of the namespace ${namespace}`,
    read: (sets) => readKeySets(client, namespace, sets),
    write: async (changes) => {
      const sets = new Set(changes.map(({ file }) => partsOf(file).set));
      for (const set of sets) {
        const own = changes.filter(({ file }) => partsOf(file).set === set);
        await writeKeySet(client, { namespace, name: secretName(set) }, own);
      }
    },
  };
}

function secretName(set: KeySetName): string {
  return `steward-${set}`;
}

async function readKeySets(
  client: ResourceClient<Secret>,
  namespace: string,
  sets: readonly KeySetName[],
): Promise<KeyFiles> {
  const files = new Map<KeyFile, string>();
  for (const set of sets) {
    const secret = (await client.get(namespace, secretName(set))) ?? {};
    for (const file of filesOf(set)) {
      const text = secretText(secret, partsOf(file).name);
      if (text !== undefined) files.set(file, text);
    }
  }
  return files;
}

/** All of a set at once, and only over what was there when it was looked at. */
async function writeKeySet(
  client: ResourceClient<Secret>,
  where: { readonly namespace: string; readonly name: string },
  changes: readonly KeyFileChange[],
): Promise<void> {
  const data = Object.fromEntries(
    changes.map(({ file, text }) => [partsOf(file).name, toSecretValue(text)]),
  );
  const there = await client.get(where.namespace, where.name);
  try {
    if (there === undefined) {
      if (changes.some(({ replaces }) => replaces !== undefined)) throw conflict(where.name);
      await client.create({ metadata: { ...where, labels: LABELS }, type: "Opaque", data });
      return;
    }
    refuseWhatChanged(there, changes);
    await client.update({ ...there, data: { ...there.data, ...data } });
  } catch (thrown) {
    if (!(thrown instanceof ApiError) || thrown.status !== 409) throw thrown;
    throw conflict(where.name, thrown);
  }
}

function refuseWhatChanged(secret: Secret, changes: readonly KeyFileChange[]): void {
  const hasChanged = changes.some(
    ({ file, replaces }) => secretText(secret, partsOf(file).name) !== replaces,
  );
  if (hasChanged) throw conflict(secret.metadata.name);
}

function conflict(name: string, cause?: unknown): KeyStoreConflictError {
  return new KeyStoreConflictError(`the Secret ${name} was written by somebody else meanwhile`, {
    cause,
  });
}
