import type { KeyFileChange, KeyFiles, KeySetName } from "../identity/key-set-layout.ts";

/** Where key sets are kept: a directory, or the Secrets of a namespace. */
export interface KeyStore {
  /** For messages: `the directory /etc/steward/keys`. */
  readonly description: string;
  /** The files of these sets; a set that is not there has none. */
  read(sets: readonly KeySetName[]): Promise<KeyFiles>;
  /**
   * Writes in the given order. Throws a KeyStoreConflictError if what is there is not what a change replaces, with
   * what came before written: somebody else was faster.
   */
  write(changes: readonly KeyFileChange[]): Promise<void>;
}

/** Somebody else has written meanwhile: read again, and think again. */
export class KeyStoreConflictError extends Error {
  override readonly name = "KeyStoreConflictError";
}
