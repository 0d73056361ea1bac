import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));

export interface AgentProcessOptions {
  readonly node: string;
  readonly natsUrl: string;
  readonly dataDir: string;
}

/** `steward agent` in a process of its own, which can be killed like any. */
export class AgentProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown[]>;
  /** What it logged. */
  log = "";

  constructor({ node, natsUrl, dataDir }: AgentProcessOptions) {
    const args = [MAIN, "agent", "--node", node, "--nats-url", natsUrl, "--data-dir", dataDir];
    this.#child = spawn(process.execPath, [...args, "--hello-interval=1s"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"] },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => (this.log += chunk.toString()));
    }
    this.#exited = once(this.#child, "exit");
  }

  /** Ends it by a signal. Resolves to its exit status; null if it had none. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<unknown> {
    this.#child.kill(signal);
    return this.exit();
  }

  async exit(): Promise<unknown> {
    const [code] = await this.#exited;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.end("SIGKILL");
  }
}
