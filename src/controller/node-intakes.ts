import type { Bus } from "../protocol/bus.ts";
import type { Hello } from "../protocol/hello.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { Semaphore } from "../runtime/semaphore.ts";
import type { PendingReports } from "./edgecommand/reports.ts";
import { subscribeToResults } from "./edgecommand/result-intake.ts";
import type { NodeDirectory } from "./edgenode/directory.ts";
import { subscribeToErrors } from "./edgenode/error-intake.ts";
import { ForeignNodes } from "./edgenode/foreign-nodes.ts";
import { subscribeToHellos } from "./edgenode/hello-intake.ts";
import type { NodeRegistry } from "./edgenode/registry.ts";
import type { EventRecorder, NodeStore, StoreErrors } from "./ports.ts";
import type { NodeSecurity } from "./node-security.ts";
import type { Rejections } from "./rejections.ts";
import type { ControllerSecurity } from "./security.ts";

const MAX_REGISTRATIONS = 8;

export interface NodeIntakeOptions {
  readonly nodes: NodeStore;
  readonly errors: StoreErrors;
  readonly directory: NodeDirectory;
  readonly registry: NodeRegistry;
  readonly reports: PendingReports;
  readonly rejections: Rejections;
  readonly security: NodeSecurity;
  readonly commandKeys: () => ControllerSecurity;
  readonly registerNodes: boolean;
  readonly clusterID: string;
  readonly namespace?: string | undefined;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly logger: Logger;
  readonly onHello: (nodeKey: string, hello: Hello) => void;
  readonly requeueNode: (key: string) => void;
  readonly requeueCommand: (key: string) => void;
}

/** Takes everything that nodes say off the wire; returns the way to end that. */
export function subscribeToNodes(bus: Bus, options: NodeIntakeOptions): () => void {
  using subscriptions = new DisposableStack();
  const { requeueNode, requeueCommand } = options;
  subscriptions.defer(
    subscribeToHellos(bus, {
      ...options,
      foreignNodes: new ForeignNodes(options),
      registrations: { underWay: new Map(), limit: new Semaphore(MAX_REGISTRATIONS) },
      onRefused: requeueNode,
    }),
  );
  subscriptions.defer(subscribeToErrors(bus, { ...options, requeue: requeueNode }));
  subscriptions.defer(subscribeToResults(bus, { ...options, requeue: requeueCommand }));
  const all = subscriptions.move();
  return () => {
    all.dispose();
  };
}
