import type { Clock } from "../runtime/clock.ts";
import type { Count, Instruments, Sample, Time } from "./instruments.ts";

export const RECONCILE_RESULTS = ["success", "error", "requeue", "requeue_after"] as const;
export type ReconcileResult = (typeof RECONCILE_RESULTS)[number];

/** What one reconciler tells. */
export interface ReconcileRecorder {
  /** A reconcile begins; what is returned tells its end, and counts once however often it is called. */
  started(): (result: ReconcileResult) => void;
}

interface Reconciler {
  readonly maxConcurrent: number;
  active: number;
}

/** Under the names of controller-runtime, so that dashboards for it show this controller. */
export class ReconcileMetrics {
  readonly #clock: Clock;
  readonly #reconcilers = new Map<string, Reconciler>();
  readonly #total: Count<"controller" | "result">;
  readonly #errors: Count<"controller">;
  readonly #time: Time<"controller">;

  constructor(instruments: Instruments, clock: Clock) {
    this.#clock = clock;
    this.#total = instruments.counter({
      name: "controller_runtime_reconcile_total",
      help: "Reconciles, by how they ended.",
      labels: ["controller", "result"],
    });
    this.#errors = instruments.counter({
      name: "controller_runtime_reconcile_errors_total",
      help: "Reconciles that failed and are tried again.",
      labels: ["controller"],
    });
    this.#time = instruments.timer({
      name: "controller_runtime_reconcile_time_seconds",
      help: "How long a reconcile took.",
      labels: ["controller"],
      bucketsSeconds: [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
      ],
    });
    instruments.gauge({
      name: "controller_runtime_max_concurrent_reconciles",
      help: "How many resources may be worked on at once.",
      labels: ["controller"],
      collect: () => this.#samples(({ maxConcurrent }) => maxConcurrent),
    });
    instruments.gauge({
      name: "controller_runtime_active_workers",
      help: "How many resources are worked on now.",
      labels: ["controller"],
      collect: () => this.#samples(({ active }) => active),
    });
  }

  /** Throws a RangeError if there is one under this name. */
  of(controller: string, maxConcurrent: number): ReconcileRecorder {
    if (this.#reconcilers.has(controller)) {
      throw new RangeError(`a reconciler "${controller}" is measured already`);
    }
    const reconciler: Reconciler = { maxConcurrent, active: 0 };
    this.#reconcilers.set(controller, reconciler);
    for (const result of RECONCILE_RESULTS) this.#total({ controller, result }, 0);
    this.#errors({ controller }, 0);
    return { started: () => this.#start(controller, reconciler) };
  }

  #start(controller: string, reconciler: Reconciler): (result: ReconcileResult) => void {
    const since = this.#clock.monotonic();
    let running = true;
    reconciler.active += 1;
    return (result) => {
      if (!running) return;
      running = false;
      reconciler.active -= 1;
      this.#total({ controller, result });
      if (result === "error") this.#errors({ controller });
      this.#time({ controller }, this.#clock.monotonic() - since);
    };
  }

  #samples(valueOf: (reconciler: Reconciler) => number): Sample<"controller">[] {
    return [...this.#reconcilers].map(([controller, each]) => [{ controller }, valueOf(each)]);
  }
}
