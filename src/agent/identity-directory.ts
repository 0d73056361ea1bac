import type { Stats } from "node:fs";
import { link, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeDurably } from "../runtime/durable-file.ts";
import { systemErrorCode } from "../runtime/errors.ts";

/** What a node keeps of who it is. `token.seed` is there between joining and the first credentials. */
export type IdentityFile = "node.seed" | "sealing.key" | "node.jwt" | "trust.json" | "token.seed";

/** The node's identity cannot be used as it is. `message` names the file and the fix, and repeats no secret. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";
}

/**
 * `<dataDir>/identity/`: files for the owner alone (0700 and 0600).
 *
 * GUARANTEES
 * - A file is there whole or not at all, and what was written is on the disk when `write` and `create` resolve.
 * - What others could have read or changed is not read.
 *
 * Everything throws an IdentityError.
 */
export class IdentityDirectory {
  readonly path: string;

  constructor(dataDir: string) {
    this.path = join(dataDir, "identity");
  }

  pathOf(file: IdentityFile): string {
    return join(this.path, file);
  }

  /** The text of a file, trimmed; undefined if it is not there. */
  async read(file: IdentityFile): Promise<string | undefined> {
    const path = this.pathOf(file);
    try {
      await checkDirectory(this.path);
      await using handle = await open(path, "r");
      checkAccess(path, await handle.stat(), "600");
      return (await handle.readFile("utf8")).trim();
    } catch (thrown) {
      if (systemErrorCode(thrown) === "ENOENT") return undefined;
      throw explained(`${path} cannot be read`, thrown);
    }
  }

  /** Replaces what was there. */
  async write(file: IdentityFile, text: string): Promise<void> {
    await this.#place(file, text, rename);
  }

  /** Refuses to replace anything. */
  async create(file: IdentityFile, text: string): Promise<void> {
    await this.#place(file, text, link);
  }

  async remove(file: IdentityFile): Promise<void> {
    try {
      await rm(this.pathOf(file), { force: true });
    } catch (thrown) {
      throw explained(`${this.pathOf(file)} cannot be removed`, thrown);
    }
  }

  async #makeDirectory(): Promise<void> {
    const topmost = await mkdir(this.path, { recursive: true, mode: 0o700 });
    if (topmost !== undefined) await syncUpTo(topmost, this.path);
  }

  async #place(
    file: IdentityFile,
    text: string,
    putAt: (from: string, to: string) => Promise<void>,
  ): Promise<void> {
    const path = this.pathOf(file);
    const temporary = `${path}.new`;
    try {
      await this.#makeDirectory();
      await checkDirectory(this.path);
      await rm(temporary, { force: true });
      await writeDurably(temporary, `${text.trim()}\n`);
      await putAt(temporary, path);
      await rm(temporary, { force: true });
      await syncDirectory(this.path);
    } catch (thrown) {
      throw explained(`${path} cannot be written`, thrown);
    }
  }
}

/** A new directory is there after a power failure only if what it is in was written, up to the first that was there. */
async function syncUpTo(topmost: string, path: string): Promise<void> {
  for (let each = path; ; each = dirname(each)) {
    await syncDirectory(dirname(each));
    if (each === topmost || each === dirname(each)) return;
  }
}

async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}

async function checkDirectory(path: string): Promise<void> {
  checkAccess(path, await stat(path), "700");
}

type Access = Pick<Stats, "uid" | "mode">;

function checkAccess(path: string, access: Access, wanted: "600" | "700"): void {
  const problem = accessProblem(access, { uid: process.getuid?.() ?? access.uid, path, wanted });
  if (problem !== undefined) throw new IdentityError(problem);
}

/** Why a file is not for the user `uid` alone, and the way to mend it; undefined if it is. Pure. */
export function accessProblem(
  { uid, mode }: Access,
  own: { readonly uid: number; readonly path: string; readonly wanted: "600" | "700" },
): string | undefined {
  const { path, wanted } = own;
  if (uid !== own.uid) {
    const fix = `run this as that user, or: chown -R ${own.uid} ${path}`;
    return `${path} belongs to the user with the number ${uid}: ${fix}`;
  }
  return (mode & 0o077) === 0
    ? undefined
    : `${path} is open to other users: chmod ${wanted} ${path}`;
}

function explained(problem: string, thrown: unknown): Error {
  return thrown instanceof IdentityError ? thrown : new IdentityError(problem, { cause: thrown });
}
