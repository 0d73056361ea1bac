import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { OWN_POLICY_TEXT } from "../../support/standings.ts";

const MAIN = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));

/** A `steward` in a process of its own, which can be killed like any. */
export class StewardProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown[]>;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [MAIN, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"] },
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.#child.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.#closed = once(this.#child, "close");
  }

  /** Ends it by a signal. Resolves to its exit status; null if it had none. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<unknown> {
    this.#child.kill(signal);
    return this.exit();
  }

  async exit(): Promise<unknown> {
    const [code] = await this.#closed;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.end("SIGKILL");
  }
}

/** `steward agent` with the identity that is in its data directory; its policy is that of who runs the tests. */
export class AgentProcess extends StewardProcess {
  constructor(dataDir: string, options: readonly string[] = []) {
    const policy = `${dataDir}-policy.yaml`;
    writeFileSync(policy, OWN_POLICY_TEXT, { mode: 0o600 });
    const where = ["--data-dir", dataDir, "--policy", policy];
    super(["agent", ...where, "--hello-interval=1s", ...options]);
  }
}
