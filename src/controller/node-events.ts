import type { Bus, BusMessage } from "../protocol/bus.ts";
import { eventsOfAllNodes, parseSubject, type EventName } from "../protocol/subjects.ts";
import type { Rejections } from "./rejections.ts";

/** Takes one kind of event of all nodes off the wire; returns the way to end that. */
export function subscribeToEvents(
  bus: Bus,
  event: EventName,
  rejections: Rejections,
  take: (node: string, message: BusMessage) => void,
): () => void {
  const subscription = bus.subscribe(eventsOfAllNodes(event), (message) => {
    // The broker vouches for the subject: the node is taken from there and from nowhere else.
    const node = parseSubject(message.subject)?.node;
    if (node === undefined) rejections.note(message.subject, "subject: not of a node");
    else take(node, message);
  });
  return () => {
    subscription.unsubscribe();
  };
}
