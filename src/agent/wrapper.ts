import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { AttemptFiles, AttemptFolder } from "./attempt-folder.ts";
import { errorCode } from "./spawn-failure.ts";

export interface WrapperSpec {
  readonly shell: string;
  readonly script: string;
  readonly folder: AttemptFolder;
  readonly cgroup: string | undefined;
  /** What precedes the command's own shell, if anything does: see Standing. */
  readonly prefix: readonly string[];
  /** The program, with a slash in its name, and its arguments. */
  readonly argv: readonly [string, ...string[]];
  /** The wrapper's own, and what it passes on beside what the launch script sets. */
  readonly env: Readonly<Record<string, string>>;
}

/** How a wrapper ended under the eyes of the agent that started it. */
export interface WrapperExit {
  readonly code: number | null;
}

export type Wrapper =
  | { readonly pid: number; readonly exited: Promise<WrapperExit> }
  | { readonly failed: string };

/**
 * Starts the wrapper of an attempt, as the leader of a session and a process group, and closes the files:
 * they are its own then. `failed` is the errno's name of why there is no wrapper.
 */
export async function startWrapper(spec: WrapperSpec, files: AttemptFiles): Promise<Wrapper> {
  try {
    return await spawned(spec, files);
  } finally {
    spec.folder.release(files);
  }
}

async function spawned(spec: WrapperSpec, files: AttemptFiles): Promise<Wrapper> {
  const { shell, script, folder, cgroup, prefix, argv, env } = spec;
  const procs = cgroup === undefined ? "" : join(cgroup, "cgroup.procs");
  let child: ChildProcess;
  try {
    child = spawn(shell, [script, folder.path, procs, ...prefix, shell, "-s", "--", ...argv], {
      // By this name bash is a POSIX shell, and busybox a shell at all.
      argv0: "sh",
      // It may have more rights than the command, and is kept out of whatever folder that is to work in.
      cwd: "/",
      env: { PWD: "/", ...env },
      detached: true,
      // 2 is nobody's until the script has said so: what a shell complains of at its start tells nothing.
      stdio: [
        files.stdin,
        files.stdout,
        "ignore",
        files.stderr,
        files.exit,
        files.wrapper,
        files.launch,
      ],
    });
  } catch (thrown) {
    return { failed: errorCode(thrown) };
  }
  if (child.pid === undefined) {
    const [thrown]: unknown[] = await once(child, "error");
    return { failed: errorCode(thrown) };
  }
  const exited = new Promise<WrapperExit>((resolve) => {
    child.once("exit", (code) => resolve({ code }));
  });
  child.on("error", () => undefined);
  return { pid: child.pid, exited };
}
