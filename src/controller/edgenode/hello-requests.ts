import type { Bus } from "../../protocol/bus.ts";
import { encodeMessage } from "../../protocol/envelope.ts";
import { helloRequestMessage } from "../../protocol/hello.ts";
import { isNodeName } from "../../protocol/names.ts";
import { helloRequestSubject } from "../../protocol/subjects.ts";
import { timestampOf, type Clock } from "../../runtime/clock.ts";
import type { NodeSecurity } from "../node-security.ts";

const INTERVAL_MS = 5_000;

export interface HelloRequestsOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly security: NodeSecurity;
  readonly clusterID: () => string;
}

/** Asks nodes to say hello, none more often than it can help: two agents of one name would talk for ever. */
export class HelloRequests {
  readonly #options: HelloRequestsOptions;
  /** When each node was last asked. */
  readonly #askedAt = new Map<string, number>();

  constructor(options: HelloRequestsOptions) {
    this.#options = options;
  }

  ask(name: string): void {
    const { bus, clock, security, clusterID } = this.#options;
    const now = clock.monotonic();
    const last = this.#askedAt.get(name);
    if (!isNodeName(name) || (last !== undefined && now - last < INTERVAL_MS)) return;
    this.#askedAt.set(name, now);
    const request = { clusterID: clusterID(), node: name, signedAt: timestampOf(clock.now()) };
    const data = encodeMessage(helloRequestMessage, request, security.signers);
    bus.publish(helloRequestSubject(name), data);
  }

  forget(name: string): void {
    this.#askedAt.delete(name);
  }
}
