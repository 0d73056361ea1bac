import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../runtime/logger.ts";

const INTERVAL_MS = 3_600_000;
/** Clusters that are told apart; nodes may name as many as they like. */
const MAX_CLUSTERS = 64;

/**
 * Tells people of nodes that obey another cluster, in one line an hour for each of those clusters: it may be
 * another one on the same broker, or this one, before it was built anew.
 */
export class ForeignNodes {
  readonly #logger: Logger;
  readonly #clock: Clock;
  /** When each cluster was last told of. */
  readonly #toldAt = new Map<string, number>();

  constructor({ logger, clock }: { readonly logger: Logger; readonly clock: Clock }) {
    this.#logger = logger;
    this.#clock = clock;
  }

  note(node: string, nodeClusterID: string, clusterID: string): void {
    const now = this.#clock.monotonic();
    const last = this.#toldAt.get(nodeClusterID);
    if (last !== undefined && now - last < INTERVAL_MS) return;
    if (last === undefined && this.#toldAt.size >= MAX_CLUSTERS) return;
    this.#toldAt.set(nodeClusterID, now);
    this.#logger.warn(
      { node, nodeClusterID, clusterID },
      "a node belongs to another cluster and is left alone; if this cluster took that one's place, start " +
        `its controllers with --cluster-id=${nodeClusterID}`,
    );
  }
}
