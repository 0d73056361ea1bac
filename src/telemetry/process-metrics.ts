import type { ProcessError } from "../runtime/errorkernel.ts";
import type { Count, Instruments } from "./instruments.ts";

/** What the program is, and what its error kernel was told. */
export class ProcessMetrics {
  readonly #errors: Count<"process_kind" | "severity">;

  constructor(instruments: Instruments, version: string) {
    instruments.gauge({
      name: "steward_build_info",
      help: "Always 1; the label is what is built.",
      labels: ["version"],
      collect: () => [[{ version }, 1]],
    });
    this.#errors = instruments.counter({
      name: "steward_process_errors_total",
      help: "Errors of the program's own processes, as told to its error kernel.",
      labels: ["process_kind", "severity"],
    });
  }

  reported({ process, severity }: Pick<ProcessError, "process" | "severity">): void {
    this.#errors({ process_kind: processKind(process), severity });
  }
}

/** `watch` of `watch/edgenodes`. Only words: what looks like an id must not become a label. */
function processKind(process: string): string {
  const [kind = ""] = process.split("/");
  return /^[a-z-]{1,32}$/.test(kind) ? kind : "other";
}
