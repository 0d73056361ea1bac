import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import { ackMessage, type Ack } from "../../protocol/ack.ts";
import type { Bus } from "../../protocol/bus.ts";
import { commandMessage } from "../../protocol/command.ts";
import { decodeMessage, encodeMessage, MalformedMessageError } from "../../protocol/envelope.ts";
import { commandSubject } from "../../protocol/subjects.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Semaphore } from "../../runtime/semaphore.ts";
import { errorMessage } from "../../runtime/errors.ts";
import type { CommandRecorder, ResourceStore } from "../ports.ts";
import type { OfferOutcome } from "./answer.ts";
import { commandFor, type Addressing } from "./message.ts";

/** How long a node may take to journal a command and say so. */
const ACK_TIMEOUT_MS = 5_000;

export interface OfferDeps {
  readonly commands: ResourceStore<EdgeCommand>;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly mayAct: () => boolean;
  /** Bounds the live reads: after an outage every open command wants one. */
  readonly liveReads: Semaphore;
  readonly recorder?: CommandRecorder | undefined;
}

export interface Offer {
  readonly command: EdgeCommand;
  readonly to: Addressing;
  readonly readLive: boolean;
  /** It has been sent before. */
  readonly isRepeated: boolean;
}

/** Sends a command to its node and waits for the answer. Never throws. */
export async function makeOffer(deps: OfferDeps, offer: Offer): Promise<OfferOutcome> {
  try {
    return await send(deps, offer);
  } catch (thrown) {
    return { kind: "unsendable", problem: errorMessage(thrown) };
  }
}

async function send(deps: OfferDeps, offer: Offer): Promise<OfferOutcome> {
  if (offer.readLive) {
    const obstacle = await deps.liveReads.run(() =>
      obstacleToSending(deps.commands, offer.command),
    );
    if (obstacle !== undefined) return obstacle;
  }
  if (!deps.mayAct()) return { kind: "changed" };
  const { spec } = offer.command;
  const subject = commandSubject(spec.nodeName, spec.method);
  const data = encodeMessage(commandMessage, commandFor(offer.command, offer.to));
  if (offer.isRepeated) deps.recorder?.resent();
  const sentAt = deps.clock.monotonic();
  const outcome = await deps.bus.request(subject, data, { timeoutMs: ACK_TIMEOUT_MS });
  if (outcome.kind !== "reply") return { kind: outcome.kind };
  deps.recorder?.acknowledged(deps.clock.monotonic() - sentAt);
  return readAck(outcome.data, offer);
}

/** A re-send is preceded by a quorum read: what was deleted or edited meanwhile is not sent. */
async function obstacleToSending(
  commands: ResourceStore<EdgeCommand>,
  { metadata }: EdgeCommand,
): Promise<OfferOutcome | undefined> {
  try {
    const live = await commands.getLive(metadata.namespace, metadata.name);
    const isSame =
      live?.metadata.uid === metadata.uid && live.metadata.generation === metadata.generation;
    return isSame ? undefined : { kind: "changed" };
  } catch (thrown) {
    return { kind: "unread", problem: errorMessage(thrown) };
  }
}

function readAck(data: Uint8Array, offer: Offer): OfferOutcome {
  try {
    const ack = decodeMessage(ackMessage, data);
    const problem = isForThis(ack, offer);
    return problem === undefined ? { kind: "answered", ack } : { kind: "malformed", problem };
  } catch (thrown) {
    if (thrown instanceof MalformedMessageError)
      return { kind: "malformed", problem: thrown.message };
    throw thrown;
  }
}

function isForThis(ack: Ack, { command, to }: Offer): string | undefined {
  if (ack.answer !== "accepted" && ack.answer !== "known") return undefined;
  const { run } = ack;
  const { namespace, name, uid } = command.metadata;
  if (run.namespace !== namespace || run.name !== name || run.uid !== uid) {
    return "it speaks of another resource";
  }
  return run.revision === to.run.revision ? undefined : "it speaks of another revision";
}
