import { readFile } from "node:fs/promises";
import type { Authority } from "../identity/authority.ts";
import {
  filesOf,
  KEY_SET_NAMES,
  partsOf,
  type KeyFileChange,
  type KeyFiles,
} from "../identity/key-set-layout.ts";
import { completeKeySets, type KeySetOptions } from "../identity/key-sets.ts";
import { bootstrapProblem, bootstrapProgram, type BootstrapOptions } from "./bootstrap-options.ts";
import { createFileKeyStore } from "./key-store-files.ts";
import { createSecretKeyStore } from "./key-store-secrets.ts";
import { KeyStoreConflictError, type KeyStore } from "./key-store.ts";
import { openTransport, runOneShot, UsageError } from "./one-shot.ts";

/** Two that run at once each let the other write a set now and then; both end with the same. */
const MAX_ATTEMPTS = 10;

/** `steward bootstrap`. Resolves to the exit status. */
export async function runBootstrap(argv: readonly string[]): Promise<number> {
  return runOneShot(bootstrapProgram, argv, async (options) => {
    const problem = bootstrapProblem(options);
    if (problem !== undefined) throw new UsageError(problem);
    await using stack = new AsyncDisposableStack();
    const store = await storeOf(options, stack);
    const authority = await givenAuthority(options);
    const { before, changes } = await completeStore(store, {
      now: Date.now(),
      serverNames: options.serverName ?? [],
      ...(options.natsUrl === undefined ? {} : { servers: options.natsUrl }),
      ...(authority === undefined ? {} : { authority }),
    });
    process.stdout.write(report(store.description, before, changes));
  });
}

/** What there was, and what was written until all was there. */
export interface Completion {
  readonly before: KeyFiles;
  readonly changes: readonly KeyFileChange[];
}

/** Makes the key sets of a store whole, also when somebody else is doing the same. Throws a KeySetError. */
export async function completeStore(store: KeyStore, options: KeySetOptions): Promise<Completion> {
  for (let attempt = 1; ; attempt += 1) {
    const before = await store.read(KEY_SET_NAMES);
    const changes = await completeKeySets(before, options);
    try {
      await store.write(changes);
      return { before, changes };
    } catch (thrown) {
      if (!(thrown instanceof KeyStoreConflictError) || attempt >= MAX_ATTEMPTS) throw thrown;
    }
  }
}

async function storeOf(
  { outDir, namespace, kubeconfig }: BootstrapOptions,
  stack: AsyncDisposableStack,
): Promise<KeyStore> {
  if (outDir !== undefined) return createFileKeyStore(outDir);
  return createSecretKeyStore(stack.use(await openTransport(kubeconfig)), namespace ?? "");
}

async function givenAuthority({ caCert, caKey }: BootstrapOptions): Promise<Authority | undefined> {
  if (caCert === undefined || caKey === undefined) return undefined;
  return { certificate: await readFile(caCert, "utf8"), key: await readFile(caKey, "utf8") };
}

/** A line for each set, and one for each file that is new in a set that was there. */
function report(where: string, before: KeyFiles, changes: readonly KeyFileChange[]): string {
  const lines = KEY_SET_NAMES.flatMap((set) => {
    const own = changes.filter(({ file }) => partsOf(file).set === set);
    const wasThere = filesOf(set).some((file) => before.has(file));
    if (!wasThere) return [`${set}: made`];
    if (own.length === 0) return [`${set}: was there, unchanged`];
    const details = own.map(
      ({ file, replaces }) =>
        `  ${partsOf(file).name}: ${replaces === undefined ? "made" : "renewed"}`,
    );
    return [`${set}: was there`, ...details];
  });
  return `Key sets in ${where}:\n${lines.map((line) => `  ${line}\n`).join("")}`;
}
