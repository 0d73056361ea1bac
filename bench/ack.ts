import { randomUUID } from "node:crypto";

import type { NatsConnection } from "nats";

import { readNatsAccess } from "../dev/controlplane/nats-access.ts";
import { connectClient } from "../dev/controlplane/nats-client.ts";
import { abortable } from "../dev/controlplane/waiting.ts";
import { edgeCommandSpec, type EdgeCommand } from "../src/api/v1alpha1/edgecommand.ts";
import { revisionOf } from "../src/api/v1alpha1/revision.ts";
import { commandFor, type Addressing } from "../src/controller/edgecommand/message.ts";
import { connectBus } from "../src/nats/connect-bus.ts";
import { trustIn } from "../src/identity/signatures.ts";
import { ackMessage } from "../src/protocol/ack.ts";
import type { Bus } from "../src/protocol/bus.ts";
import { commandMessage } from "../src/protocol/command.ts";
import {
  decodeMessage,
  decodeReply,
  encodeMessage,
  encodeReply,
} from "../src/protocol/envelope.ts";
import { helloMessage, helloReplyMessage } from "../src/protocol/hello.ts";
import { receiptMessage, resultMessage } from "../src/protocol/result.ts";
import type { Signer, Trust } from "../src/protocol/signature.ts";
import { commandSubject, CONTROLLER_INBOX, eventsOfAllNodes } from "../src/protocol/subjects.ts";
import { systemClock as clock } from "../src/runtime/clock.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { COMMITS, ECHO_PREFIX } from "./agent-host-config.ts";
import { controllerSigners, keyOf, keysOfNodes } from "./security.ts";
import { startAgentHost, type Stage } from "./stage.ts";
import { COMMAND_SPEC } from "./tracker.ts";

const NODE = "ack-100";
/** The real controller, if there is one, serves another. */
const NAMESPACE = "bench-ack";
const WARM_UP = 300;
const TIMEOUT_MS = 10_000;
/** For all of it. */
const PATIENCE_MS = 300_000;

/** (c): milliseconds, one of each for every sample. */
export interface AckFigures {
  readonly bare: readonly number[];
  readonly ack: readonly number[];
  readonly commit: readonly number[];
  readonly commandBytes: number;
  readonly ackBytes: number;
}

/**
 * Offers commands to a real agent as the controller does, and between any two of them makes a bare request
 * of the same size to the same process, and has it do the journal's commit alone: what the machine is
 * busy with, or how deep it sleeps, is the same for all three.
 */
export async function measureAcks(stage: Stage, samples: number): Promise<AckFigures> {
  const { natsUrl, keysDir } = stage.broker;
  const { controller: credentials, ca } = await readNatsAccess(keysDir);
  const dir = await stage.directory("disk");
  const { keys } = await keysOfNodes(dir, [NODE]);
  const { publicKey } = keyOf(NODE, keys);
  const signers = await controllerSigners(keysDir);
  const trusted: Parties = { signers, trust: trustIn(() => [publicKey]) };
  await using bus = connectBus({
    servers: [natsUrl],
    name: "bench",
    inbox: CONTROLLER_INBOX,
    credentials: () => credentials,
    ca: () => ca,
    clock,
    random: Math.random,
    logger: createLogger({ level: "error", name: "bench", destination: process.stderr }),
  });
  const nats = await connectClient(stage.broker);
  try {
    const controller = new ControllerStandIn(bus, trusted);
    const config = { namespace: NAMESPACE, nodes: [NODE], dir, probe: true };
    const host = await startAgentHost(stage, "ack", config);
    const measured = await sample({ stage, nats, controller, bus, samples, trusted });
    await host.stop();
    return measured;
  } finally {
    await nats.close();
  }
}

interface Sampling {
  readonly stage: Stage;
  readonly nats: NatsConnection;
  readonly bus: Bus;
  readonly controller: ControllerStandIn;
  readonly samples: number;
  readonly trusted: Parties;
}

/** Who signs for the controller, and whom it believes. */
interface Parties {
  readonly signers: readonly Signer[];
  readonly trust: Trust;
}

async function sample({
  stage,
  nats,
  bus,
  controller,
  samples,
  trusted,
}: Sampling): Promise<AckFigures> {
  const patience = AbortSignal.any([stage.signal, AbortSignal.timeout(PATIENCE_MS)]);
  const sessionID = await abortable(controller.session, patience);
  const first = envelope(sessionID, trusted);
  const reply = await bus.request(commandSubject(NODE, COMMAND_SPEC.method), first.data, {
    timeoutMs: TIMEOUT_MS,
  });
  if (reply.kind !== "reply") throw new Error(`the agent did not answer: ${reply.kind}`);
  const payload = new Uint8Array(first.data.length);
  const echo = `${ECHO_PREFIX}.${reply.data.length}`;
  const bare: number[] = [];
  const ack: number[] = [];
  const commit: number[] = [];
  for (let number = -Math.min(WARM_UP, samples); number < samples; number += 1) {
    const next = envelope(sessionID, trusted);
    const bareMs = await timed(() => nats.request(echo, payload, { timeout: TIMEOUT_MS }));
    const over = controller.resultOf(next.command.metadata.name);
    const ackMs = await timed(() => offer(bus, next, trusted));
    await abortable(over, patience);
    const committed = await nats.request(COMMITS, next.data, { timeout: TIMEOUT_MS });
    if (number < 0) continue;
    bare.push(bareMs);
    ack.push(ackMs);
    commit.push(committed.json<number>());
  }
  return { bare, ack, commit, commandBytes: payload.length, ackBytes: reply.data.length };
}

/** What the controller does between deciding to send and knowing the answer. */
async function offer(
  bus: Bus,
  { command, to }: Enveloped,
  { signers, trust }: Parties,
): Promise<void> {
  const data = encodeMessage(commandMessage, commandFor(command, to), signers);
  const subject = commandSubject(NODE, command.spec.method);
  const outcome = await bus.request(subject, data, { timeoutMs: TIMEOUT_MS });
  if (outcome.kind !== "reply") throw new Error(`the agent did not answer: ${outcome.kind}`);
  const ack = decodeReply(ackMessage, outcome.data, { request: data, trust });
  if (ack.answer !== "accepted") throw new Error(`not accepted: ${JSON.stringify(ack)}`);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const clusterID = randomUUID();

interface Enveloped {
  readonly command: EdgeCommand;
  readonly to: Addressing;
  readonly data: Uint8Array;
}

/** A command under a new name, as a resource and as the message that it becomes. */
function envelope(sessionID: string, { signers }: Parties): Enveloped {
  const spec = edgeCommandSpec.parse({ ...COMMAND_SPEC, nodeName: NODE });
  const now = clock.now();
  const creationTimestamp = new Date(now).toISOString();
  const command: EdgeCommand = {
    apiVersion: "steward.dev/v1alpha1",
    kind: "EdgeCommand",
    metadata: {
      namespace: NAMESPACE,
      name: `command-${randomUUID()}`,
      uid: randomUUID(),
      resourceVersion: "1",
      generation: 1,
      creationTimestamp,
    },
    spec,
    status: { observedGeneration: -1, phase: "Pending" },
  };
  const run = {
    declared: 1,
    revision: revisionOf(spec),
    rerun: "",
    epoch: 0,
    requestedAt: creationTimestamp,
  };
  const to: Addressing = {
    clusterID,
    sessionID,
    run,
    takesOver: undefined,
    ledgerSince: undefined,
    now,
  };
  return { command, to, data: encodeMessage(commandMessage, commandFor(command, to), signers) };
}

/** What an agent needs of a controller beside its commands: answers to hellos, receipts for results. */
class ControllerStandIn {
  /** The agent's, from its first hello. */
  readonly session: Promise<string>;
  readonly #results = new Map<string, () => void>();

  constructor(bus: Bus, { signers, trust }: Parties) {
    const session = Promise.withResolvers<string>();
    this.session = session.promise;
    bus.subscribe(eventsOfAllNodes("hello"), (message) => {
      const { data: request } = message;
      const { sessionID, namespace } = decodeMessage(helloMessage, request, trust);
      if (namespace !== NAMESPACE) return;
      const time = new Date(clock.now()).toISOString();
      const reply = { accepted: true, time, clusterID } as const;
      message.respond(encodeReply(helloReplyMessage, reply, { request, signers }));
      session.resolve(sessionID);
    });
    bus.subscribe(eventsOfAllNodes("result"), (message) => {
      const { data: request } = message;
      const { namespace, name, runID } = decodeMessage(resultMessage, request, trust);
      if (namespace !== NAMESPACE) return;
      const reply = { receipt: "stored", runID } as const;
      message.respond(encodeReply(receiptMessage, reply, { request, signers }));
      this.#results.get(name)?.();
      this.#results.delete(name);
    });
  }

  /** Resolves when the result of a command has come. */
  resultOf(name: string): Promise<void> {
    return new Promise((resolve) => this.#results.set(name, resolve));
  }
}
