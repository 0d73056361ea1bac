import { PHASES, type Phase } from "../api/v1alpha1/edgecommand-status.ts";
import type { Count, Instruments, Time } from "./instruments.ts";
import { SUBJECT_KINDS, subjectKind } from "./subject-kind.ts";

/** What is asked at each scrape. */
export interface Census {
  /** How many commands there are in each phase; a phase that is left out has none. */
  readonly commands: () => Readonly<Partial<Record<Phase, number>>>;
  readonly nodes: () => { readonly ready: number; readonly notReady: number };
  /** Results that nodes have reported and that have no receipt yet. */
  readonly receiptsOutstanding: () => number;
}

const NOTHING: Census = {
  commands: () => ({}),
  nodes: () => ({ ready: 0, notReady: 0 }),
  receiptsOutstanding: () => 0,
};

/** From the round trip on a LAN to that over a satellite; an offer waits 5 s for its answer. */
const ACK_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** From a ping to a node that comes back after weeks. */
const COMMAND_BUCKETS_SECONDS = [
  0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400, 604_800,
];

/** What becomes of commands, and of the nodes that run them. No label has a name of either. */
export class CommandMetrics {
  #census = NOTHING;
  readonly #acks: Time<never>;
  readonly #commands: Time<never>;
  readonly #resends: Count<never>;
  readonly #rejected: Count<"subject_kind">;

  constructor(instruments: Instruments) {
    this.#acks = instruments.timer({
      name: "steward_ack_latency_seconds",
      help: "From sending a command to the node's answer.",
      bucketsSeconds: ACK_BUCKETS_SECONDS,
    });
    this.#commands = instruments.timer({
      name: "steward_command_latency_seconds",
      help: "From the request for a run to its recorded outcome; a creation time has whole seconds.",
      bucketsSeconds: COMMAND_BUCKETS_SECONDS,
    });
    this.#resends = instruments.counter({
      name: "steward_resends_total",
      help: "Commands offered to a node again.",
    });
    this.#rejected = instruments.counter({
      name: "steward_rejected_messages_total",
      help: "Messages that were malformed, or not their sender's to send, by the kind of their subject.",
      labels: ["subject_kind"],
    });
    for (const kind of SUBJECT_KINDS) this.#rejected({ subject_kind: kind }, 0);
    this.#makeGauges(instruments);
  }

  /** From now on the gauges tell what this says; before, there is nothing to tell of. */
  collectFrom(census: Census): void {
    this.#census = census;
  }

  /** A node has answered an offer, this long after it was sent. */
  acknowledged(ms: number): void {
    this.#acks({}, ms);
  }

  /** A command is sent that was sent before. */
  resent(): void {
    this.#resends({});
  }

  /** The outcome of a run is in etcd, this long after the run was requested. */
  recorded(ms: number): void {
    this.#commands({}, ms);
  }

  /** A message on this subject was not taken. Of the subject only the kind is kept. */
  rejected(subject: string): void {
    this.#rejected({ subject_kind: subjectKind(subject) });
  }

  #makeGauges(instruments: Instruments): void {
    instruments.gauge({
      name: "steward_commands",
      help: "EdgeCommands, by phase.",
      labels: ["phase"],
      collect: () => {
        const counts = this.#census.commands();
        return PHASES.map((phase) => [{ phase }, counts[phase] ?? 0] as const);
      },
    });
    instruments.gauge({
      name: "steward_nodes",
      help: "EdgeNodes, by whether they are ready.",
      labels: ["ready"],
      collect: () => {
        const { ready, notReady } = this.#census.nodes();
        return [
          [{ ready: "true" }, ready],
          [{ ready: "false" }, notReady],
        ];
      },
    });
    instruments.gauge({
      name: "steward_receipts_outstanding",
      help: "Results that nodes have reported and that are not recorded yet.",
      collect: () => [[{}, this.#census.receiptsOutstanding()]],
    });
  }
}
