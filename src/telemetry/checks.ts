import { formatDuration } from "../runtime/duration.ts";
import { errorMessage } from "../runtime/errors.ts";

/** One condition of being healthy, or ready. */
export interface Check {
  /** One word, shown beside the reason. */
  readonly name: string;
  /** Why it is not met; undefined if it is. Must be quick: it is asked at every probe. */
  check(): string | undefined;
}

export interface CheckReport {
  readonly passed: boolean;
  readonly text: string;
}

const MAX_REASON = 300;

/**
 * The answer to a probe in the form of the Kubernetes components: `ok`, or a line for each check if one
 * failed or `verbose` is asked for. A check that throws has failed.
 */
export function runChecks(
  endpoint: string,
  checks: readonly Check[],
  { verbose }: { readonly verbose: boolean },
): CheckReport {
  const results = checks.map((each) => ({ name: each.name, reason: reasonOf(each) }));
  const passed = results.every(({ reason }) => reason === undefined);
  if (passed && !verbose) return { passed, text: "ok" };
  const lines = results.map(({ name, reason }) =>
    reason === undefined ? `[+]${name} ok` : `[-]${name} failed: ${reason}`,
  );
  return {
    passed,
    text: [...lines, `${endpoint} check ${passed ? "passed" : "failed"}\n`].join("\n"),
  };
}

function reasonOf(check: Check): string | undefined {
  try {
    const reason = check.check();
    return reason === undefined ? undefined : oneLine(reason);
  } catch (thrown) {
    return oneLine(`the check threw: ${errorMessage(thrown)}`);
  }
}

function oneLine(reason: string): string {
  return reason.replaceAll(/\s+/g, " ").slice(0, MAX_REASON);
}

/** For readiness: without the whole cache nothing is decided. */
export function cacheCheck(resource: string, cache: { readonly hasSynced: boolean }): Check {
  return {
    name: `cache-${resource}`,
    check: () => (cache.hasSynced ? undefined : `cache of ${resource} not synced`),
  };
}

/** For readiness, never for health: a restart does not bring a broker back. */
export function brokerCheck(bus: { readonly connected: boolean }): Check {
  return {
    name: "broker",
    check: () => (bus.connected ? undefined : "not connected to the broker"),
  };
}

/**
 * For health: an elector that neither renews its lease nor gives it up is stuck. `maxAgeMs` is the lease's
 * duration and some tolerance. A standby passes, and so does a leader that could not renew and stepped down.
 */
export function electorCheck(
  elector: { readonly renewalAgeMs: number | undefined },
  maxAgeMs: number,
): Check {
  return {
    name: "leader-election",
    check: () => {
      const { renewalAgeMs = 0 } = elector;
      if (renewalAgeMs <= maxAgeMs) return undefined;
      return `the lease was not renewed for ${formatDuration(renewalAgeMs)}, and not given up`;
    },
  };
}
