import type { Receipt } from "../../protocol/result.ts";
import type { RunReport } from "../../protocol/run.ts";

/** A finished run as a node reported it, and the way to give the receipt if it came as a request. */
export interface PendingReport {
  readonly report: RunReport;
  /** The node that said so: the subject's, or the one that was asked. */
  readonly node: string;
  /** Of the EdgeNode that has that name: it speaks for commands there, whatever the report says. */
  readonly nodeNamespace: string;
  readonly giveReceipt: ((receipt: Receipt) => void) | undefined;
}

/** More than this is not held: what is dropped, the node sends again. */
const LIMIT = 10_000;

/** What one node may have here, so that it leaves room for the others. */
const LIMIT_OF_NODE = 1_000;

/** Reports that wait for their place in etcd, by the key of the resource, then by who said it of which run. */
export class PendingReports {
  readonly #byKey = new Map<string, Map<string, PendingReport>>();
  readonly #sizeOfNode = new Map<string, number>();
  #size = 0;

  /** A later copy of the same report replaces the earlier; false if there is no room for it. */
  put(key: string, pending: PendingReport): boolean {
    const reports = this.#byKey.get(key) ?? new Map<string, PendingReport>();
    const earlier = reports.get(identityOf(pending));
    if (earlier === undefined && !this.#takeRoomFor(pending.node)) return false;
    reports.set(identityOf(pending), {
      report: pending.report,
      node: pending.node,
      nodeNamespace: pending.nodeNamespace,
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
      if (reports.get(identityOf(each)) !== each) continue;
      reports.delete(identityOf(each));
      this.#giveRoomOf(each.node);
    }
    if (reports.size === 0) this.#byKey.delete(key);
  }

  #takeRoomFor(node: string): boolean {
    const own = this.#sizeOfNode.get(node) ?? 0;
    if (this.#size >= LIMIT || own >= LIMIT_OF_NODE) return false;
    this.#size += 1;
    this.#sizeOfNode.set(node, own + 1);
    return true;
  }

  #giveRoomOf(node: string): void {
    const rest = (this.#sizeOfNode.get(node) ?? 0) - 1;
    this.#size -= 1;
    if (rest > 0) this.#sizeOfNode.set(node, rest);
    else this.#sizeOfNode.delete(node);
  }
}

/** Nobody takes the place of what another node has said. */
function identityOf({ node, report }: PendingReport): string {
  return `${node} ${report.runID}`;
}
