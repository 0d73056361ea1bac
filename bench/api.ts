import { setTimeout as sleep } from "node:timers/promises";

import { Pool, type Dispatcher } from "undici";

import { LineSplitter } from "../src/kubernetes/line-splitter.ts";

/** What the load generator reads of an EdgeCommand. */
export interface WatchedCommand {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly status?: CommandStatus;
}

export interface CommandStatus {
  readonly phase?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly [field: string]: unknown;
}

export interface WatchedEvent {
  readonly type: string;
  readonly object: WatchedCommand;
}

export interface ApiAccess {
  readonly server: string;
  readonly ca: string;
  readonly token: string;
}

const GROUP_PATH = "/apis/steward.dev/v1alpha1/namespaces";

/** As many as the controller's own. */
const CONNECTIONS = 32;
const MAX_TRIES = 10;

/**
 * The bare pair's way to the API server: pooled undici over HTTP/1.1, and nothing that is not needed. What
 * is compared with it creates and watches through it too.
 */
export class Api implements AsyncDisposable {
  readonly #headers: Readonly<Record<string, string>>;
  readonly #requests: Pool;
  readonly #watches: Pool;

  constructor({ server, ca, token }: ApiAccess) {
    this.#headers = { authorization: `Bearer ${token}`, accept: "application/json" };
    const common = { connect: { ca }, allowH2: false, headersTimeout: 0, bodyTimeout: 0 };
    this.#requests = new Pool(server, { ...common, connections: CONNECTIONS });
    this.#watches = new Pool(server, common);
  }

  async createNamespace(name: string): Promise<void> {
    await this.#write("POST", "/api/v1/namespaces", { metadata: { name } });
  }

  async createCommand(namespace: string, name: string, spec: object): Promise<void> {
    const identity = { apiVersion: "steward.dev/v1alpha1", kind: "EdgeCommand" };
    const path = `${GROUP_PATH}/${namespace}/edgecommands`;
    await this.#write("POST", path, { ...identity, metadata: { name }, spec });
  }

  async createNode(namespace: string, name: string, spec: object = {}): Promise<void> {
    const identity = { apiVersion: "steward.dev/v1alpha1", kind: "EdgeNode" };
    await this.#write("POST", `${GROUP_PATH}/${namespace}/edgenodes`, {
      ...identity,
      metadata: { name },
      spec,
    });
  }

  async patchStatus(namespace: string, name: string, status: object): Promise<void> {
    const path = `${GROUP_PATH}/${namespace}/edgecommands/${name}/status`;
    await this.#write("PATCH", path, { status });
  }

  /** Of all objects of a kind; undefined while the server's cache of them is not ready. */
  async statuses(
    namespace: string,
    plural: "edgecommands" | "edgenodes",
  ): Promise<readonly CommandStatus[] | undefined> {
    const path = `${GROUP_PATH}/${namespace}/${plural}`;
    const headers = this.#headers;
    const { statusCode, body } = await this.#requests.request({ method: "GET", path, headers });
    const text = await body.text();
    if (statusCode === 429) return undefined;
    if (statusCode !== 200) throw new Error(`GET ${path}: ${statusCode} ${text.slice(0, 500)}`);
    const list: { readonly items: readonly { readonly status?: CommandStatus }[] } =
      JSON.parse(text);
    return list.items.map(({ status = {} }) => status);
  }

  /**
   * Resolves when it has begun. The server ends the watch of whoever reads too slowly: it then goes on from
   * where it was. `ended` settles when that is not possible, or with the signal.
   */
  async watchCommands(
    namespace: string,
    onEvent: (event: WatchedEvent) => void,
    signal: AbortSignal,
  ): Promise<{ readonly ended: Promise<void> }> {
    let last = "";
    const onEach = (event: WatchedEvent): void => {
      last = event.object.metadata.resourceVersion;
      onEvent(event);
    };
    let body = await this.#openWatch(namespace, last, signal);
    const follow = async (): Promise<void> => {
      for (;;) {
        await readEvents(body, onEach);
        body = await this.#openWatch(namespace, last, signal);
      }
    };
    const ended = follow().catch((thrown: unknown) => {
      if (!signal.aborted) throw thrown;
    });
    // Whoever waits for something looks at it as well; alone, it must not end the process.
    ended.catch(() => undefined);
    return { ended };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#requests.destroy(), this.#watches.destroy()]);
  }

  async #openWatch(
    namespace: string,
    resourceVersion: string,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData["body"]> {
    const from = resourceVersion === "" ? "" : `&resourceVersion=${resourceVersion}`;
    const path = `${GROUP_PATH}/${namespace}/edgecommands?watch=true${from}`;
    for (let tries = 1; ; tries += 1) {
      const options = { method: "GET", path, headers: this.#headers, signal } as const;
      const { statusCode, body } = await this.#watches.request(options);
      if (statusCode === 200) return body;
      const text = await body.text();
      // A server that has just started has no cache of the kind yet.
      if (statusCode !== 429 || tries === MAX_TRIES)
        throw new Error(`watch: ${statusCode} ${text}`);
      await sleep(1_000, undefined, { signal });
    }
  }

  async #write(method: "POST" | "PATCH", path: string, body: object): Promise<void> {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const answer = await this.#requests.request({
      method,
      path,
      headers: { ...this.#headers, "content-type": type },
      body: JSON.stringify(body),
    });
    if (answer.statusCode >= 300) {
      const text = await answer.body.text();
      throw new Error(`${method} ${path}: ${answer.statusCode} ${text.slice(0, 500)}`);
    }
    await answer.body.dump();
  }
}

export function isReady({ conditions }: CommandStatus): boolean {
  return conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

async function readEvents(
  body: Dispatcher.ResponseData["body"],
  onEvent: (event: WatchedEvent) => void,
): Promise<void> {
  const splitter = new LineSplitter();
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("a watch that is not bytes");
    for (const line of splitter.push(chunk)) {
      const event: WatchedEvent = JSON.parse(line);
      if (event.type === "ERROR") throw new Error(`the watch cannot go on: ${line}`);
      onEvent(event);
    }
  }
}
