import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  filesOf,
  partsOf,
  type KeyFile,
  type KeyFileChange,
  type KeyFiles,
  type KeySetName,
} from "../identity/key-set-layout.ts";
import { writeDurably } from "../runtime/durable-file.ts";
import { systemErrorCode } from "../runtime/errors.ts";
import { KeyStoreConflictError, type KeyStore } from "./key-store.ts";

/** Key sets as directories below one: `<directory>/<set>/<file>`, for the owner alone (0700 and 0600). */
export function createFileKeyStore(directory: string): KeyStore {
  return {
    description: `the directory ${directory}`,
    read: (sets) => readKeySets(directory, sets),
    write: async (changes) => {
      for (const change of changes) await writeKeyFile(directory, change);
    },
  };
}

/** A directory's, or a mounted Secret's. */
async function readKeySets(directory: string, sets: readonly KeySetName[]): Promise<KeyFiles> {
  const files = new Map<KeyFile, string>();
  for (const file of sets.flatMap(filesOf)) {
    const text = await readIfThere(join(directory, file));
    if (text !== undefined) files.set(file, text);
  }
  return files;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
}

/** Under another name first: a file is there whole or not at all, whatever happens. */
async function writeKeyFile(
  directory: string,
  { file, text, replaces }: KeyFileChange,
): Promise<void> {
  const { set } = partsOf(file);
  await mkdir(join(directory, set), { recursive: true, mode: 0o700 });
  const path = join(directory, file);
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeDurably(temporary, text);
    if (replaces === undefined) await link(temporary, path);
    else await replace(temporary, path, replaces);
  } catch (thrown) {
    if (systemErrorCode(thrown) !== "EEXIST") throw thrown;
    throw new KeyStoreConflictError(changed(path), { cause: thrown });
  } finally {
    await rm(temporary, { force: true });
  }
}

async function replace(temporary: string, path: string, replaces: string): Promise<void> {
  if ((await readIfThere(path)) !== replaces) throw new KeyStoreConflictError(changed(path));
  await rename(temporary, path);
}

function changed(path: string): string {
  return `${path} was written by somebody else meanwhile`;
}
