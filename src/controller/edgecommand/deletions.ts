import { objectKey } from "../../api/meta.ts";
import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import { ackMessage } from "../../protocol/ack.ts";
import type { Bus } from "../../protocol/bus.ts";
import { decodeReply, encodeMessage, MalformedMessageError } from "../../protocol/envelope.ts";
import type { Hello } from "../../protocol/hello.ts";
import { withdrawalSubject } from "../../protocol/subjects.ts";
import { withdrawalMessage } from "../../protocol/withdrawal.ts";
import { backoffMs } from "../../runtime/backoff.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { Random } from "../../runtime/random.ts";
import type { NodeSecurity } from "../node-security.ts";
import type { ResourceStore } from "../ports.ts";
import type { Rejections } from "../rejections.ts";
import { NO_STEPS, type Steps } from "../steps.ts";
import { AbsentRuns } from "./absent-runs.ts";
import { OFFER_AGAIN } from "./answer.ts";
import { deletionFor, type ResourceOnNode } from "./message.ts";
import type { Nodes } from "./nodes.ts";
import { ACK_TIMEOUT_MS } from "./offer.ts";
import { isFirm } from "./run.ts";

/** What is too much is dropped, the oldest first: it is found again by what its node names. */
export const MAX_DELETIONS = 10_000;

export interface DeletionsOptions {
  readonly commands: ResourceStore<EdgeCommand>;
  readonly nodes: Nodes;
  readonly bus: Bus;
  readonly security: NodeSecurity;
  readonly rejections: Pick<Rejections, "refuse">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly clusterID: () => string;
  /** Asked before every send. */
  readonly mayAct: () => boolean;
  readonly steps?: Steps | undefined;
  /** Puts the uid of a deleted resource into the work queue, now or after a while. */
  readonly requeue: (uid: string, afterMs?: number) => void;
}

/** A resource that is gone, and the node that may have a run of it. */
interface Pending extends ResourceOnNode {
  tries: number;
}

/**
 * Withdraws what deleted resources left on their nodes. Beside the resource, which is gone at once: nothing
 * holds up a deletion.
 *
 * GUARANTEES
 * - Nothing is withdrawn but on the word of a quorum read that this resource, by its uid, is not there.
 * - A withdrawal is sent until its node answers it, or until the EdgeNode is gone. All of this is in memory: what
 *   a process that ends has left undone, and what was deleted while none ran, is found by the hellos of its
 *   node, which name it.
 */
export class Deletions {
  readonly #options: DeletionsOptions;
  readonly #absentRuns = new AbsentRuns();
  /** By uid. */
  readonly #pending = new Map<string, Pending>();
  readonly #byNode = new Map<string, Set<string>>();

  constructor(options: DeletionsOptions) {
    this.#options = options;
  }

  /** The watch says that a resource was deleted; `command` is its last state. */
  deleted({ metadata, spec, status }: EdgeCommand): void {
    if (isFirm(status.run)) return;
    const { namespace, name, uid } = metadata;
    this.#add({ namespace, name, uid, nodeName: spec.nodeName });
  }

  /** A node said what it has not ended: what is due goes to it, and what has no resource is noted. */
  heard(nodeName: string, { namespace, runs }: Pick<Hello, "namespace" | "runs">): void {
    const { commands, clock } = this.#options;
    const nodeKey = objectKey({ namespace, name: nodeName });
    const isAbsent = ({ name, uid }: { name: string; uid: string }): boolean =>
      commands.get(objectKey({ namespace, name }))?.metadata.uid !== uid;
    const absent = this.#absentRuns.observe(nodeKey, runs, isAbsent, clock.monotonic());
    for (const { name, uid } of absent) this.#add({ namespace, name, uid, nodeName });
    this.wake(nodeKey);
  }

  /** The node may be there now. */
  wake(nodeKey: string): void {
    for (const uid of this.#byNode.get(nodeKey) ?? []) this.#options.requeue(uid);
  }

  /** The EdgeNode is gone. */
  forgetNode(nodeKey: string): void {
    this.#absentRuns.forget(nodeKey);
    for (const uid of this.#byNode.get(nodeKey) ?? []) this.#pending.delete(uid);
    this.#byNode.delete(nodeKey);
  }

  /** One try; resolves to whether there is to be another at a certain time. */
  async reconcile(uid: string): Promise<boolean> {
    const { commands, bus, mayAct } = this.#options;
    const pending = this.#pending.get(uid);
    if (pending === undefined || !bus.connected) return false;
    if (this.#sessionOf(pending) === undefined) return false;
    const live = await commands.getLive(pending.namespace, pending.name);
    if (live?.metadata.uid === uid) {
      this.#forget(pending);
      return false;
    }
    // It may have been started anew meanwhile.
    const sessionID = this.#sessionOf(pending);
    if (sessionID === undefined || !mayAct()) return false;
    return this.#follow(pending, await this.#send(pending, sessionID));
  }

  #add(deletion: ResourceOnNode): void {
    const { uid } = deletion;
    if (this.#pending.has(uid)) return;
    const [oldest] = this.#pending.values();
    if (oldest !== undefined && this.#pending.size >= MAX_DELETIONS) this.#forget(oldest);
    this.#pending.set(uid, { ...deletion, tries: 0 });
    const nodeKey = nodeKeyOf(deletion);
    this.#byNode.set(nodeKey, (this.#byNode.get(nodeKey) ?? new Set()).add(uid));
    this.#options.requeue(uid);
  }

  #forget(deletion: ResourceOnNode): void {
    const nodeKey = nodeKeyOf(deletion);
    const uids = this.#byNode.get(nodeKey);
    this.#pending.delete(deletion.uid);
    uids?.delete(deletion.uid);
    if (uids?.size === 0) this.#byNode.delete(nodeKey);
  }

  /** Undefined while the node is not there; without an EdgeNode it is forgotten. */
  #sessionOf(pending: Pending): string | undefined {
    const view = this.#options.nodes.view(pending.namespace, pending.nodeName);
    if (view.kind === "notFound") this.#forget(pending);
    return view.kind === "present" ? view.sessionID : undefined;
  }

  async #send(deletion: ResourceOnNode, sessionID: string): Promise<Answer> {
    const { bus, clock, clusterID, security, steps = NO_STEPS } = this.#options;
    const to = { clusterID: clusterID(), sessionID, now: clock.now() };
    const data = encodeMessage(withdrawalMessage, deletionFor(deletion, to), security.signers);
    const subject = withdrawalSubject(deletion.nodeName);
    steps.reached("withdrawal.sending");
    const outcome = await bus.request(subject, data, { timeoutMs: ACK_TIMEOUT_MS });
    steps.reached("withdrawal.answered");
    if (outcome.kind === "noResponders") return "nobody";
    if (outcome.kind !== "reply") return "silence";
    return this.#read(outcome.data, { node: deletion.nodeName, subject, request: data });
  }

  #read(
    reply: Uint8Array,
    { node, subject, request }: { node: string; subject: string; request: Uint8Array },
  ): Answer {
    const { security, rejections } = this.#options;
    try {
      const ack = decodeReply(ackMessage, reply, { request, trust: security.trustOf(node) });
      return ack.answer === "refused" ? "refused" : "done";
    } catch (thrown) {
      if (!(thrown instanceof MalformedMessageError)) throw thrown;
      rejections.refuse({ node, subject, error: thrown });
      return "silence";
    }
  }

  #follow(pending: Pending, answer: Answer): boolean {
    const { nodes, random, requeue, logger } = this.#options;
    const { namespace, uid, nodeName } = pending;
    pending.tries += 1;
    const fields = { command: objectKey(pending), uid, node: nodeName, tries: pending.tries };
    logger.debug({ ...fields, answer }, "deleted command withdrawn");
    if (answer === "done") {
      this.#forget(pending);
      return false;
    }
    if (answer === "nobody") {
      nodes.markUnreachable(namespace, nodeName);
      return false;
    }
    if (answer === "refused") nodes.askForHello(nodeName);
    requeue(uid, backoffMs(OFFER_AGAIN, pending.tries - 1, random));
    return true;
  }
}

/** What came of one withdrawal. Refused says nothing of the run, as silence does. */
type Answer = "done" | "refused" | "silence" | "nobody";

function nodeKeyOf({ namespace, nodeName }: ResourceOnNode): string {
  return objectKey({ namespace, name: nodeName });
}
