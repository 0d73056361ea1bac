import { backoffMs, type BackoffPolicy } from "../runtime/backoff.ts";
import type { Clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { isJsonObject, objectAt, stringAt } from "./json-values.ts";
import type { Transport } from "./transport.ts";

const RETRY: BackoffPolicy = { initialMs: 500, maxMs: 15_000 };

export interface ClusterIDOptions {
  readonly transport: Pick<Transport, "request">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * The identity of a cluster: the uid of its namespace kube-system, which lives as long as the cluster.
 * Asks until the API server answers; undefined if the signal is aborted before that.
 */
export async function waitForClusterID(options: ClusterIDOptions): Promise<string | undefined> {
  const { transport, clock, random, logger, signal } = options;
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      const path = "/api/v1/namespaces/kube-system";
      return uidOf((await transport.request({ method: "GET", path, signal })).body);
    } catch (thrown) {
      if (signal.aborted) return undefined;
      logger.warn({ failures }, `waiting for the Kubernetes API: ${errorMessage(thrown)}`);
      await clock.sleep(backoffMs(RETRY, failures, random), signal);
    }
  }
  return undefined;
}

function uidOf(namespace: unknown): string {
  const metadata = isJsonObject(namespace) ? objectAt(namespace, "metadata") : undefined;
  const uid = stringAt(metadata, "uid");
  if (uid === undefined) throw new TypeError("the namespace kube-system has no uid");
  return uid;
}
