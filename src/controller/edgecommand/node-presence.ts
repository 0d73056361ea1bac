import type { NodeView } from "./observe.ts";

/** Nobody is there who could be sent anything, and that may last. */
export function isGone(
  node: NodeView,
): node is Extract<NodeView, { kind: "notFound" | "barred" | "away" }> {
  return node.kind !== "present" && node.kind !== "arriving";
}

/** Whom a run waits for in vain, to be put behind what became of it; empty if its node is there. */
export function waitingFor(node: NodeView): string {
  if (!isGone(node)) return "";
  return node.kind === "notFound"
    ? ": there is no such EdgeNode"
    : `: ${node.message.replace(/\.$/, "")}`;
}
