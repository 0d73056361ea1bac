import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

export interface RunOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin?: string;
  /** The command is killed when it is aborted, and `run` throws the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  /** The exit code; 128 for a command that died of a signal. */
  readonly code: number;
}

/** Runs a short command to its end. A failing command is a result, one that cannot be started an error. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions,
): Promise<CommandResult> {
  options.signal?.throwIfAborted();
  const child = spawn(command, args, { env: options.env, stdio: ["pipe", "pipe", "pipe"] });
  const ended = Promise.withResolvers<number>();
  child.once("error", ended.reject);
  child.once("close", (code) => ended.resolve(code ?? 128));
  const abort = (): void => void child.kill("SIGKILL");
  options.signal?.addEventListener("abort", abort, { once: true });
  // A command that does not read its input to the end is not an error.
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.stdin ?? "");
  try {
    const [code, stdout, stderr] = await Promise.all([
      ended.promise,
      text(child.stdout),
      text(child.stderr),
    ]);
    options.signal?.throwIfAborted();
    return { stdout, stderr, code };
  } finally {
    options.signal?.removeEventListener("abort", abort);
  }
}
