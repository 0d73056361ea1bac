import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { LeaderElector, LeadershipLostError } from "../kubernetes/leader-election.ts";
import { DEFAULT_LEASE_TIMINGS } from "../kubernetes/lease-decision.ts";
import { FatalError } from "../runtime/errorkernel.ts";
import { electorCheck, type Check } from "../telemetry/checks.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Connections } from "./controller-connections.ts";
import type { controllerProgram } from "./controller-options.ts";
import type { Compiled } from "./program.ts";

const LEASE_NAME = "steward-controller";
/** As client-go's: an elector that is this late with a renewal is stuck. */
const RENEWAL_TOLERANCE_MS = 20_000;

export interface Election {
  readonly isLeader: boolean;
  readonly health: readonly Check[];
  /** A supervised process: leads whenever it may. Losing the lease ends the program. */
  run(signal: AbortSignal): Promise<void>;
}

/** Where what all controllers share is. */
export function leaseNamespaceOf(
  { leaseNamespace, namespace }: Compiled<typeof controllerProgram.options>,
  { transport }: Connections,
): string {
  return leaseNamespace ?? namespace ?? transport.namespace;
}

/** The election that the options ask for, or none: then this process leads from the start. */
export function electionFor(
  options: Compiled<typeof controllerProgram.options>,
  connections: Connections,
  metrics: Metrics,
  lead: (signal: AbortSignal) => Promise<void>,
): Election {
  if (!options.leaderElect) return { isLeader: true, health: [], run: lead };
  const { leaseTransport: transport } = connections;
  const elector = new LeaderElector({
    ...connections,
    transport,
    namespace: leaseNamespaceOf(options, connections),
    name: LEASE_NAME,
    identity: `${hostname()}_${randomUUID()}`,
    onStartedLeading: lead,
  });
  metrics.kubernetes.followLease(LEASE_NAME, elector);
  return {
    get isLeader() {
      return elector.isLeader;
    },
    health: [electorCheck(elector, DEFAULT_LEASE_TIMINGS.leaseMs + RENEWAL_TOLERANCE_MS)],
    run: async (signal) => {
      try {
        await elector.run(signal);
      } catch (thrown) {
        if (!(thrown instanceof LeadershipLostError)) throw thrown;
        throw new FatalError("another controller may lead now", { cause: thrown });
      }
    },
  };
}
