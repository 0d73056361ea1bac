import { RequestError, TimeoutError, type NatsConnection } from "nats";
import type { RequestOptions, RequestOutcome } from "../protocol/bus.ts";

export interface OutgoingRequest extends RequestOptions {
  readonly subject: string;
  readonly data: Uint8Array;
}

/** The longest delay that a timer keeps. */
const LONGEST_TIMEOUT_MS = 2_147_483_647;

/** The requests that wait for a reply on one connection. */
export class Requests {
  readonly #connection: NatsConnection;
  readonly #waiting = new Set<(outcome: RequestOutcome) => void>();
  #ended = false;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  send(request: OutgoingRequest): Promise<RequestOutcome> {
    const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
    const { signal } = request;
    if (this.#ended) return Promise.resolve({ kind: "disconnected" });
    if (signal?.aborted === true) return Promise.resolve({ kind: "timeout" });
    const abort = (): void => resolve({ kind: "timeout" });
    this.#waiting.add(resolve);
    signal?.addEventListener("abort", abort, { once: true });
    void this.#exchange(request).then(resolve);
    return promise.finally(() => {
      this.#waiting.delete(resolve);
      signal?.removeEventListener("abort", abort);
    });
  }

  /** What has come when nothing more does for a while; undefined if the connection ended or denies the subject. */
  async sendToMany(
    subject: string,
    data: Uint8Array,
    timeoutMs: number,
  ): Promise<readonly Uint8Array[] | undefined> {
    const replies: Uint8Array[] = [];
    try {
      const options = { strategy: "stall", maxWait: timeoutMs } as const;
      for await (const { data: reply } of await this.#connection.requestMany(
        subject,
        data,
        options,
      )) {
        replies.push(reply);
      }
      return replies;
    } catch {
      return undefined;
    }
  }

  /** The connection is gone: so say all that wait, also what the client let in while it was closing. */
  end(): void {
    this.#ended = true;
    for (const resolve of this.#waiting) resolve({ kind: "disconnected" });
  }

  async #exchange({ subject, data, timeoutMs }: OutgoingRequest): Promise<RequestOutcome> {
    const maxBytes = this.#connection.info?.max_payload ?? Infinity;
    if (data.length > maxBytes) return { kind: "tooLarge", maxBytes };
    const timeout = Math.min(LONGEST_TIMEOUT_MS, Math.max(1, Math.round(timeoutMs)));
    try {
      const reply = await this.#connection.request(subject, data, { timeout });
      return { kind: "reply", data: reply.data };
    } catch (thrown) {
      return outcomeOf(thrown);
    }
  }
}

/** What the client's errors mean. A denial is logged by the connection, which is told of it as well. */
function outcomeOf(thrown: unknown): RequestOutcome {
  if (thrown instanceof TimeoutError) return { kind: "timeout" };
  if (thrown instanceof RequestError && thrown.isNoResponders()) return { kind: "noResponders" };
  return { kind: "disconnected" };
}
