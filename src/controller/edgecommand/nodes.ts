import type { NodeView } from "./observe.ts";

/** What a command asks of the nodes' side of the controller. */
export interface Nodes {
  view(namespace: string, name: string): NodeView;
  /**
   * How long a node has been silent towards this process while it could hear: 0 while the node is there; for
   * one that was never heard, how long this process has listened.
   */
  silentMs(namespace: string, name: string): number;
  /** Nobody listens at the broker under this name. */
  markUnreachable(namespace: string, name: string): void;
  askForHello(name: string): void;
}
