import { accessSync, constants, statSync } from "node:fs";
import { resolve } from "node:path";
import { errorCode } from "./spawn-failure.ts";

/** A program as the wrapper is given it, with a slash in it; or why there is none, as an errno's name. */
export type FoundProgram = { readonly path: string } | { readonly code: string };

/**
 * Finds a program as execvp does, in the folder that its command works in: by `searchPath` (`PATH`), or, if
 * its name has a slash, as it stands. So what cannot be started is known before there is any process.
 * Interpreters of scripts are not looked for.
 */
export function findProgram(
  name: string,
  searchPath: string | undefined,
  workingDir: string,
): FoundProgram {
  const unfit = unfitFolder(workingDir);
  if (unfit !== undefined) return { code: unfit };
  if (name === "") return { code: "ENOENT" };
  if (name.includes("/")) {
    const code = unfitProgram(resolve(workingDir, name));
    // The shell must not take it for an option.
    return code === undefined ? { path: name.startsWith("-") ? `./${name}` : name } : { code };
  }
  let worst = "ENOENT";
  for (const folder of (searchPath ?? "").split(":")) {
    const path = resolve(workingDir, folder, name);
    const code = unfitProgram(path);
    if (code === undefined) return { path };
    if (code !== "ENOENT" && code !== "ENOTDIR") worst = code;
  }
  return { code: worst };
}

function unfitFolder(path: string): string | undefined {
  return failureOf(() => {
    // The final slash makes the kernel say ENOTDIR of what is no folder.
    accessSync(`${path}/`, constants.X_OK);
  });
}

function unfitProgram(path: string): string | undefined {
  const code = failureOf(() => accessSync(path, constants.X_OK));
  if (code !== undefined) return code;
  // A folder that may be entered looks like a program that may be executed.
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true ? undefined : "EACCES";
}

function failureOf(look: () => void): string | undefined {
  try {
    look();
    return undefined;
  } catch (thrown) {
    return errorCode(thrown);
  }
}
