import type { Evidence } from "../evidence.ts";
import { atMostOnce, attemptsAreCounted, oneStartEachRun } from "./at-most-once.ts";
import { terminalIsFirm } from "./firm.ts";
import { nobodyCrashed, nothingLeftRunning } from "./processes.ts";
import { allIsSettled, noFinalizers } from "./settled.ts";
import {
  endsAreTrue,
  expiredOnlyByDeadline,
  falseMeansNever,
  interruptedOnlyByTheMachine,
  nothingUnknown,
  outcomesFit,
  outputIsOwn,
} from "./truthful.ts";

const INVARIANTS: Readonly<Record<string, (evidence: Evidence) => readonly string[]>> = {
  "at most once": atMostOnce,
  "one start for each run": oneStartEachRun,
  "attempts are counted": attemptsAreCounted,
  "started False means never": falseMeansNever,
  "ends are true": endsAreTrue,
  "outcomes fit": outcomesFit,
  "output is its own": outputIsOwn,
  "interrupted only by the machine": interruptedOnlyByTheMachine,
  "nothing unknown": nothingUnknown,
  "expired only by a deadline": expiredOnlyByDeadline,
  "terminal is firm": terminalIsFirm,
  "all is settled": allIsSettled,
  "deleting never hangs": noFinalizers,
  "nothing left running": nothingLeftRunning,
  "nobody crashed": nobodyCrashed,
};

/** Every promise that the evidence speaks against, in words. */
export function violationsIn(evidence: Evidence): string[] {
  return Object.entries(INVARIANTS).flatMap(([promise, holds]) =>
    holds(evidence).map((violation) => `${promise}: ${violation}`),
  );
}
