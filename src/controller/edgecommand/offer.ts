import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import { ackMessage, type Ack } from "../../protocol/ack.ts";
import type { Bus } from "../../protocol/bus.ts";
import { commandMessage } from "../../protocol/command.ts";
import { decodeReply, encodeMessage, MalformedMessageError } from "../../protocol/envelope.ts";
import { commandSubject, withdrawalSubject } from "../../protocol/subjects.ts";
import { withdrawalMessage } from "../../protocol/withdrawal.ts";
import type { Clock } from "../../runtime/clock.ts";
import { errorMessage } from "../../runtime/errors.ts";
import type { NodeSecurity } from "../node-security.ts";
import type { CommandRecorder, ResourceStore } from "../ports.ts";
import type { Rejections } from "../rejections.ts";
import type { OfferOutcome } from "./answer.ts";
import { NO_STEPS, type Steps } from "../steps.ts";
import { commandFor, withdrawalFor, type Addressing } from "./message.ts";
import type { MessageKind } from "./observe.ts";
import { gatherInputs, type GatheredInputs, type SealingDeps } from "./sealing.ts";

/** How long a node may take to journal a command and say so. */
export const ACK_TIMEOUT_MS = 5_000;

export interface OfferDeps extends SealingDeps {
  readonly commands: ResourceStore<EdgeCommand>;
  readonly bus: Bus;
  readonly security: NodeSecurity;
  readonly rejections: Pick<Rejections, "refuse">;
  readonly clock: Clock;
  readonly mayAct: () => boolean;
  readonly recorder?: CommandRecorder | undefined;
  readonly steps?: Steps | undefined;
}

export interface Sending {
  readonly message: MessageKind;
  readonly command: EdgeCommand;
  readonly to: Addressing;
  /** Of the node, if it has told one. */
  readonly sealingKey: string | undefined;
  readonly readLive: boolean;
  /** Whether the node is still who it was when this was planned: reading takes time. */
  readonly isSameNode: () => boolean;
  /** It has been sent before. */
  readonly isRepeated: boolean;
}

/** Sends a command, or its withdrawal, to its node and waits for the answer. Never throws. */
export async function makeOffer(deps: OfferDeps, sending: Sending): Promise<OfferOutcome> {
  try {
    return await send(deps, sending);
  } catch (thrown) {
    return { kind: "unsendable", problem: errorMessage(thrown) };
  }
}

async function send(deps: OfferDeps, sending: Sending): Promise<OfferOutcome> {
  if (sending.readLive) {
    const obstacle = await deps.liveReads.run(() =>
      obstacleToSending(deps.commands, sending.command),
    );
    if (obstacle !== undefined) return obstacle;
  }
  const inputs = await inputsFor(deps, sending);
  if (inputs.kind === "held" || inputs.kind === "unread") return inputs;
  if (!mayStillSend(deps, sending)) return { kind: "changed" };
  const { subject, data } = encoded(sending, inputs, deps.security);
  const { steps = NO_STEPS } = deps;
  const step = sending.message === "command" ? "offer" : "withdrawal";
  if (sending.isRepeated) deps.recorder?.resent();
  const sentAt = deps.clock.monotonic();
  steps.reached(`${step}.sending`);
  const outcome = await deps.bus.request(subject, data, { timeoutMs: ACK_TIMEOUT_MS });
  steps.reached(`${step}.answered`);
  if (outcome.kind !== "reply") return { kind: outcome.kind };
  deps.recorder?.acknowledged(deps.clock.monotonic() - sentAt);
  return readAck(outcome.data, { subject, data }, deps, sending);
}

function mayStillSend({ mayAct }: OfferDeps, { isSameNode }: Sending): boolean {
  return mayAct() && isSameNode();
}

interface Request {
  readonly subject: string;
  readonly data: Uint8Array;
}

/** A withdrawal starts nothing, and is given nothing. */
async function inputsFor(
  deps: OfferDeps,
  { message, command, sealingKey }: Sending,
): Promise<GatheredInputs> {
  return message === "command" ? gatherInputs(deps, command, sealingKey) : { kind: "none" };
}

function encoded(
  { message, command, to }: Sending,
  inputs: Extract<GatheredInputs, { kind: "none" | "gathered" }>,
  { signers }: NodeSecurity,
): Request {
  const { nodeName, method } = command.spec;
  if (message === "withdrawal") {
    const data = encodeMessage(withdrawalMessage, withdrawalFor(command, to), signers);
    return { subject: withdrawalSubject(nodeName), data };
  }
  const plain = commandFor(command, to);
  const whole = inputs.kind === "none" ? plain : { ...plain, sealed: inputs.sealedFor(plain) };
  return {
    subject: commandSubject(nodeName, method),
    data: encodeMessage(commandMessage, whole, signers),
  };
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

function readAck(
  reply: Uint8Array,
  { subject, data: request }: Request,
  { security, rejections }: OfferDeps,
  sending: Sending,
): OfferOutcome {
  const node = sending.command.spec.nodeName;
  try {
    const ack = decodeReply(ackMessage, reply, { request, trust: security.trustOf(node) });
    const problem = problemOf(ack, sending);
    return problem === undefined ? { kind: "answered", ack } : { kind: "malformed", problem };
  } catch (thrown) {
    if (!(thrown instanceof MalformedMessageError)) throw thrown;
    rejections.refuse({ node, subject, error: thrown });
    return { kind: "malformed", problem: thrown.message };
  }
}

/** Why an answer cannot be one to what was sent. */
function problemOf(ack: Ack, { command, to }: Sending): string | undefined {
  if (ack.answer !== "accepted" && ack.answer !== "known") return undefined;
  const { run } = ack;
  const { namespace, name, uid } = command.metadata;
  if (run.namespace !== namespace || run.name !== name || run.uid !== uid) {
    return "it speaks of another resource";
  }
  if (run.revision !== to.run.revision) return "it speaks of another revision";
  // The node takes an empty rerun for any.
  const isRerun = to.run.rerun === "" || run.rerun === to.run.rerun;
  return isRerun ? undefined : "it speaks of another rerun";
}
