import type { Receipt } from "../../protocol/result.ts";
import type { RunReport } from "../../protocol/run.ts";

/** A finished run as a node reported it, and the way to give the receipt if it came as a request. */
export interface PendingReport {
  readonly report: RunReport;
  /** The node that said so: the subject's, or the one that was asked. */
  readonly node: string;
  readonly giveReceipt: ((receipt: Receipt) => void) | undefined;
}

/** More than this is not held: what is dropped, the node sends again. */
const LIMIT = 10_000;

/** Reports that wait for their place in etcd, by the key of the resource. */
export class PendingReports {
  readonly #byKey = new Map<string, Map<string, PendingReport>>();
  #size = 0;

  /** A later copy of the same report replaces the earlier; false if there is no room for it. */
  put(key: string, pending: PendingReport): boolean {
    const reports = this.#byKey.get(key) ?? new Map<string, PendingReport>();
    const { runID } = pending.report;
    const earlier = reports.get(runID);
    if (earlier === undefined && this.#size >= LIMIT) return false;
    if (earlier === undefined) this.#size += 1;
    reports.set(runID, {
      report: pending.report,
      node: pending.node,
      giveReceipt: pending.giveReceipt ?? earlier?.giveReceipt,
    });
    this.#byKey.set(key, reports);
    return true;
  }

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  get(key: string): readonly PendingReport[] {
    return [...(this.#byKey.get(key)?.values() ?? [])];
  }

  /** Takes out what was settled; a copy that came meanwhile stays. */
  settle(key: string, settled: readonly PendingReport[]): void {
    const reports = this.#byKey.get(key);
    if (reports === undefined) return;
    for (const each of settled) {
      if (reports.get(each.report.runID) !== each) continue;
      reports.delete(each.report.runID);
      this.#size -= 1;
    }
    if (reports.size === 0) this.#byKey.delete(key);
  }
}
