import type { Bus } from "../protocol/bus.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ProcessError } from "../runtime/errorkernel.ts";
import type { WorkQueueRecorder } from "../runtime/workqueue.ts";
import { BusMetrics } from "./bus-metrics.ts";
import { CommandMetrics, type Census } from "./command-metrics.ts";
import { IdentityMetrics } from "./identity-metrics.ts";
import { Instruments } from "./instruments.ts";
import { KubernetesMetrics } from "./kubernetes-metrics.ts";
import { ProcessMetrics } from "./process-metrics.ts";
import { ReconcileMetrics, type ReconcileRecorder } from "./reconcile-metrics.ts";
import { WorkQueueMetrics } from "./workqueue-metrics.ts";

export interface MetricsOptions {
  /** Of the program. */
  readonly version: string;
  /** The clock of those who record. */
  readonly clock: Clock;
  /** Memory, CPU, event loop and the like are told as well; true unless told. */
  readonly defaultMetrics?: boolean;
}

/** Recording never throws and costs little. */
export interface Metrics {
  /** The text of a scrape. Rejects with what the census throws. */
  text(): Promise<string>;
  /** For the work queue of that name; a RangeError if it has one already. */
  workQueue(name: string): WorkQueueRecorder;
  /** For the reconciler of that name; a RangeError if it has one already. */
  reconciler(controller: string, maxConcurrent: number): ReconcileRecorder;
  readonly kubernetes: Pick<KubernetesMetrics, "request" | "watchRestarted" | "followLease">;
  readonly commands: Pick<CommandMetrics, "acknowledged" | "resent" | "recorded" | "rejected">;
  readonly identity: Pick<
    IdentityMetrics,
    "distrusted" | "enrolled" | "enrollmentRefused" | "revocationFailed"
  >;
  /** Where the numbers of commands, nodes and receipts come from. */
  collectFrom(census: Census): void;
  /** To be called right after the bus was made; returns the way to end it. */
  followBus(bus: Pick<Bus, "connected" | "onConnectedChange">): () => void;
  /** For the error kernel's `onReport`. */
  processError(report: Pick<ProcessError, "process" | "severity">): void;
}

/** The metrics of one process, in a registry of their own. Each label has values from a bounded set. */
export function createMetrics({ version, clock, defaultMetrics = true }: MetricsOptions): Metrics {
  const instruments = new Instruments();
  const reconciles = new ReconcileMetrics(instruments, clock);
  const workQueues = new WorkQueueMetrics(instruments, clock);
  const kubernetes = new KubernetesMetrics(instruments);
  const commands = new CommandMetrics(instruments);
  const identity = new IdentityMetrics(instruments);
  const bus = new BusMetrics(instruments);
  const processes = new ProcessMetrics(instruments, version);
  if (defaultMetrics) instruments.collectProcess();
  return {
    text: () => instruments.text(),
    workQueue: (name) => workQueues.of(name),
    reconciler: (controller, maxConcurrent) => reconciles.of(controller, maxConcurrent),
    kubernetes,
    commands,
    identity,
    collectFrom: (census) => {
      commands.collectFrom(census);
    },
    followBus: (followed) => bus.follow(followed),
    processError: (report) => {
      processes.reported(report);
    },
  };
}
