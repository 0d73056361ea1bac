import type { NatsCredentials } from "../src/nats/credentials.ts";
import { connectBus, type NatsBus } from "../src/nats/connect-bus.ts";
import type { RequestOutcome } from "../src/protocol/bus.ts";
import { commandsOfNode, eventSubject, nodeInbox } from "../src/protocol/subjects.ts";
import { systemClock as clock } from "../src/runtime/clock.ts";
import type { Logger } from "../src/runtime/logger.ts";
import type { Random } from "../src/runtime/random.ts";

export interface NodeBusOptions {
  readonly natsUrl: string;
  /** Neither of a broker that is insecure. */
  readonly credentials?: NatsCredentials;
  readonly ca?: string;
  readonly random: Random;
  readonly logger: Logger;
}

/** As large as a small hello. */
const HELLO = new Uint8Array(600);
const TIMEOUT_MS = 10_000;

/** What a connected agent is to the broker: a subscription for commands, and one for the replies to its hello. */
export function nodeBus(name: string, options: NodeBusOptions): NatsBus {
  const { natsUrl, credentials, ca, random, logger } = options;
  const bus = connectBus({
    servers: [natsUrl],
    name,
    inbox: nodeInbox(name),
    credentials: () => credentials,
    ca: () => ca,
    clock,
    random,
    logger,
  });
  bus.subscribe(commandsOfNode(name), () => undefined);
  return bus;
}

/** Where nobody hears it, the broker itself answers: `noResponders`. */
export function sayHello(name: string, bus: NatsBus): Promise<RequestOutcome> {
  return bus.request(eventSubject(name, "hello"), HELLO, { timeoutMs: TIMEOUT_MS });
}
