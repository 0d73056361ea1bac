import { objectKey } from "../../api/meta.ts";
import type { EdgeNode } from "../../api/v1alpha1/edgenode.ts";
import type { Bus, BusMessage } from "../../protocol/bus.ts";
import {
  decodeMessage,
  encodeReply,
  MalformedMessageError,
  UntrustedMessageError,
} from "../../protocol/envelope.ts";
import { receiptMessage, resultMessage, type Receipt } from "../../protocol/result.ts";
import { isReplyTo, nodeInbox } from "../../protocol/subjects.ts";
import { subscribeToEvents } from "../node-events.ts";
import type { NodeSecurity } from "../node-security.ts";
import type { Rejections } from "../rejections.ts";
import type { PendingReports } from "./reports.ts";

export interface ResultIntakeOptions {
  readonly reports: PendingReports;
  readonly rejections: Rejections;
  readonly security: NodeSecurity;
  /** Which EdgeNode has the name of a node. */
  readonly directory: { owner(name: string): EdgeNode | undefined };
  readonly namespace?: string | undefined;
  readonly clusterID: string;
  readonly requeue: (key: string) => void;
}

/** Takes results off the wire and puts them where the reconciler of their resource finds them. */
export function subscribeToResults(bus: Bus, options: ResultIntakeOptions): () => void {
  return subscribeToEvents(bus, "result", options.rejections, (node, message) => {
    take(node, message, options);
  });
}

function take(node: string, message: BusMessage, options: ResultIntakeOptions): void {
  const giveReceipt = receiptGiver(node, message, options.security);
  try {
    const result = decodeMessage(resultMessage, message.data, options.security.trustOf(node));
    if (result.node !== node) throw new MalformedMessageError(OF_ANOTHER);
    if (result.clusterID !== options.clusterID) return;
    if (options.namespace !== undefined && options.namespace !== result.namespace) return;
    const key = objectKey(result);
    // Where nothing is signed, a node without an EdgeNode is taken at its word.
    const nodeNamespace = options.directory.owner(node)?.metadata.namespace ?? result.namespace;
    const pending = { report: result, node, nodeNamespace, giveReceipt };
    if (options.reports.put(key, pending)) options.requeue(key);
  } catch (thrown) {
    if (!(thrown instanceof MalformedMessageError)) throw thrown;
    options.rejections.refuse({ node, subject: message.subject, error: thrown });
    // Who it is of is not known: it may be a node of another controller, which gives the receipt.
    if (thrown instanceof UntrustedMessageError) return;
    giveReceipt?.({ receipt: "refused", message: thrown.message.slice(0, 1024) });
  }
}

const OF_ANOTHER = "payload.node: not the node that the subject names";

function receiptGiver(
  node: string,
  message: BusMessage,
  security: NodeSecurity,
): ((receipt: Receipt) => void) | undefined {
  if (!isReplyTo(nodeInbox(node), message.reply)) return undefined;
  return (receipt) => {
    const { signers } = security;
    message.respond(encodeReply(receiptMessage, receipt, { request: message.data, signers }));
  };
}
