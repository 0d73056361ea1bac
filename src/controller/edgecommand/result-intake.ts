import { objectKey } from "../../api/meta.ts";
import type { Bus, BusMessage } from "../../protocol/bus.ts";
import { decodeMessage, encodeMessage, MalformedMessageError } from "../../protocol/envelope.ts";
import { receiptMessage, resultMessage, type Receipt } from "../../protocol/result.ts";
import { isReplyTo, nodeInbox } from "../../protocol/subjects.ts";
import { subscribeToEvents } from "../node-events.ts";
import type { Rejections } from "../rejections.ts";
import type { PendingReports } from "./reports.ts";

export interface ResultIntakeOptions {
  readonly reports: PendingReports;
  readonly rejections: Rejections;
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
  const giveReceipt = receiptGiver(node, message);
  try {
    const result = decodeMessage(resultMessage, message.data);
    if (result.clusterID !== options.clusterID) return;
    if (options.namespace !== undefined && options.namespace !== result.namespace) return;
    const key = objectKey(result);
    if (options.reports.put(key, { report: result, node, giveReceipt })) options.requeue(key);
  } catch (thrown) {
    if (!(thrown instanceof MalformedMessageError)) throw thrown;
    options.rejections.note(message.subject, thrown.message);
    giveReceipt?.({ receipt: "refused", message: thrown.message.slice(0, 1024) });
  }
}

function receiptGiver(node: string, message: BusMessage): ((receipt: Receipt) => void) | undefined {
  if (!isReplyTo(nodeInbox(node), message.reply)) return undefined;
  return (receipt) => {
    message.respond(encodeMessage(receiptMessage, receipt));
  };
}
