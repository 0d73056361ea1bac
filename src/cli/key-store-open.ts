import { createFileKeyStore } from "./key-store-files.ts";
import { createSecretKeyStore } from "./key-store-secrets.ts";
import type { KeyStore } from "./key-store.ts";
import { openTransport } from "./one-shot.ts";

export interface KeyStoreLocation {
  /** A directory; else the Secrets of the namespace. */
  readonly keysDir: string | undefined;
  readonly keysNamespace: string;
  readonly kubeconfig: string | undefined;
}

/** The store of key sets that the options name; what it needs is closed with the stack. */
export async function openKeyStore(
  { keysDir, keysNamespace, kubeconfig }: KeyStoreLocation,
  stack: AsyncDisposableStack,
): Promise<KeyStore> {
  if (keysDir !== undefined) return createFileKeyStore(keysDir);
  return createSecretKeyStore(stack.use(await openTransport(kubeconfig)), keysNamespace);
}
