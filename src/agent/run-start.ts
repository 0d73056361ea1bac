import type { RunResult } from "../protocol/run.ts";
import { rejectionOfWhole, type Permission } from "./command-permits.ts";
import type { OpenRun } from "./ledger-run.ts";
import type { Method } from "./methods/method.ts";
import type { Standing } from "./privileges.ts";
import {
  START_DEADLINE_EXCEEDED,
  unstarted,
  withLastEnd,
  withoutFurtherAttempt,
  type RunEnd,
} from "./run-end.ts";
import { unreadableEnd, type OpenedRun } from "./sealed-work.ts";

/** What decides whether an attempt of an accepted run is begun. */
export interface StartConditions {
  /** Its start deadline is over. */
  readonly isPast: boolean;
  readonly permission: Permission;
  readonly methods: readonly Method[];
  /** Opens its secrets; asked only if nothing else is in the way. */
  readonly open: () => OpenedRun | "unreadable";
}

export type RunStart =
  /** `standing`: as whom; undefined for what runs no process. */
  | { readonly kind: "begin"; readonly run: OpenedRun; readonly standing: Standing | undefined }
  /** Without a time it is over only now. */
  | { readonly kind: "over"; readonly end: RunEnd | RunResult }
  /** It cannot be told yet. */
  | { readonly kind: "wait" };

/** Whether an attempt of the run is to be begun now. Pure. */
export function startOf(run: OpenRun, conditions: StartConditions): RunStart {
  const { isPast, permission, methods, open } = conditions;
  if (isPast) return { kind: "over", end: expired(run) };
  if (permission.kind === "undecided") return { kind: "wait" };
  if (permission.kind === "rejected") {
    return { kind: "over", end: withLastEnd(permission.end, run.lastEnd) };
  }
  const opened = open();
  if (opened === "unreadable") return { kind: "over", end: unreadableEnd(run) };
  const rejection = rejectionOfWhole(permission, opened, methods);
  return rejection === undefined
    ? { kind: "begin", run: opened, standing: permission.standing }
    : { kind: "over", end: withLastEnd(rejection, run.lastEnd) };
}

/** The end of a run whose start deadline has passed: what it came to before stays true. */
function expired({ lastEnd }: OpenRun): RunEnd | RunResult {
  if (lastEnd === undefined) return unstarted(START_DEADLINE_EXCEEDED);
  return withoutFurtherAttempt(lastEnd, "its start deadline passed");
}
