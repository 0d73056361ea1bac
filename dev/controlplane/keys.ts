import { join } from "node:path";

import { createFileKeyStore } from "../../src/cli/key-store-files.ts";
import { KEY_SET_NAMES } from "../../src/identity/key-set-layout.ts";
import { completeKeySets } from "../../src/identity/key-sets.ts";

/** What the broker's certificate is for. */
const SERVER_NAMES = ["127.0.0.1", "localhost"];

/** Where the key sets of a run are: in `identity/`, `controller/`, `nats/` and `enrollment/`. */
export function keysDirectory(dir: string): string {
  return join(dir, "keys");
}

/** Makes what is missing of the key sets, as `steward bootstrap` does. `servers`: where agents find the broker. */
export async function writeKeySets(keysDir: string, servers?: readonly string[]): Promise<void> {
  const store = createFileKeyStore(keysDir);
  const existing = await store.read(KEY_SET_NAMES);
  await store.write(
    await completeKeySets(existing, {
      now: Date.now(),
      serverNames: SERVER_NAMES,
      ...(servers === undefined ? {} : { servers }),
    }),
  );
}
