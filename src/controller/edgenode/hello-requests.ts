import type { Bus } from "../../protocol/bus.ts";
import { HELLO_REQUEST } from "../../protocol/hello.ts";
import { isNodeName } from "../../protocol/names.ts";
import { helloRequestSubject } from "../../protocol/subjects.ts";
import type { Clock } from "../../runtime/clock.ts";

const INTERVAL_MS = 5_000;

/** Asks nodes to say hello, none more often than it can help: two agents of one name would talk for ever. */
export class HelloRequests {
  readonly #bus: Bus;
  readonly #clock: Clock;
  /** When each node was last asked. */
  readonly #askedAt = new Map<string, number>();

  constructor({ bus, clock }: { readonly bus: Bus; readonly clock: Clock }) {
    this.#bus = bus;
    this.#clock = clock;
  }

  ask(name: string): void {
    const now = this.#clock.monotonic();
    const last = this.#askedAt.get(name);
    if (!isNodeName(name) || (last !== undefined && now - last < INTERVAL_MS)) return;
    this.#askedAt.set(name, now);
    this.#bus.publish(helloRequestSubject(name), HELLO_REQUEST);
  }

  forget(name: string): void {
    this.#askedAt.delete(name);
  }
}
