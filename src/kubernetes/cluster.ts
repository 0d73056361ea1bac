import { backoffMs, type BackoffPolicy } from "../runtime/backoff.ts";
import type { Clock, TimeRange } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { isJsonObject, objectAt, stringAt } from "./json-values.ts";
import type { Transport, TransportResponse } from "./transport.ts";

const KUBE_SYSTEM = "/api/v1/namespaces/kube-system";
const RETRY: BackoffPolicy = { initialMs: 500, maxMs: 15_000 };
/** The header says whole seconds. */
const DATE_RESOLUTION_MS = 1_000;

export interface ClusterOptions {
  readonly transport: Pick<Transport, "request">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** What a cluster says of itself. */
export interface ClusterFacts {
  /** The uid of its namespace kube-system, which lives as long as the cluster. */
  readonly id: string;
  /** What the API server's clock is when this is returned; undefined if it does not say. */
  readonly time: TimeRange | undefined;
}

/** Asks until the API server answers; undefined if the signal is aborted before that. */
export async function waitForCluster(options: ClusterOptions): Promise<ClusterFacts | undefined> {
  const { clock, random, logger, signal } = options;
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      return await askForCluster(options);
    } catch (thrown) {
      if (signal.aborted) return undefined;
      logger.warn({ failures }, `waiting for the Kubernetes API: ${errorMessage(thrown)}`);
      await clock.sleep(backoffMs(RETRY, failures, random), signal);
    }
  }
  return undefined;
}

/** The id of a cluster, asked for once. Throws what the transport throws. */
export async function readClusterID(transport: Pick<Transport, "request">): Promise<string> {
  return uidOf((await transport.request({ method: "GET", path: KUBE_SYSTEM })).body);
}

async function askForCluster({ transport, clock, signal }: ClusterOptions): Promise<ClusterFacts> {
  const askedAt = clock.monotonic();
  const response = await transport.request({ method: "GET", path: KUBE_SYSTEM, signal });
  return {
    id: uidOf(response.body),
    time: timeOf(response, clock.monotonic() - askedAt),
  };
}

function uidOf(namespace: unknown): string {
  const metadata = isJsonObject(namespace) ? objectAt(namespace, "metadata") : undefined;
  const uid = stringAt(metadata, "uid");
  if (uid === undefined) throw new TypeError("the namespace kube-system has no uid");
  return uid;
}

/** The server wrote the date at some moment of the `tookMs` that the request took. */
function timeOf({ date = "" }: TransportResponse, tookMs: number): TimeRange | undefined {
  const earliest = Date.parse(date);
  if (Number.isNaN(earliest)) return undefined;
  return { earliest, latest: earliest + DATE_RESOLUTION_MS + tookMs };
}
