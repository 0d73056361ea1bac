import type { EdgeCommand } from "../../../src/api/v1alpha1/edgecommand.ts";
import { revisionOf } from "../../../src/api/v1alpha1/revision.ts";
import type { RunReport, RunResult } from "../../../src/protocol/run.ts";

/** A promise that was broken. */
class BrokenPromiseError extends Error {
  override readonly name = "BrokenPromiseError";
}

export function broken(text: string): never {
  throw new BrokenPromiseError(text);
}

type What = Pick<RunReport, "revision" | "rerun">;

/** One generation of a resource; after a restore there may be several of one number. */
interface Declaration {
  readonly object: EdgeCommand;
  readonly what: What;
  /** What asked for this to be run: this declaration itself, or the one that it goes on from. */
  readonly ask: Ask;
  readonly before: Declaration | undefined;
}

interface Ask {
  /** Made by creating the resource: no reason to run once more what ran last under this name. */
  readonly byCreation: boolean;
  /** The run that it was started with. */
  startedAs: string | undefined;
  /** A generation of it was to be run: neither cancelled nor suspended. */
  isWanted: boolean;
}

/**
 * What has happened really, kept apart from everything under test: what people declared, and what was
 * started. Throws where a start was not asked for.
 */
export class Truth {
  readonly #declarations = new Map<string, Declaration[]>();
  readonly #starts = new Map<string, RunReport>();
  /** By name, what was last started by this ledger, or may have been. */
  #lastStarted = new Map<string, What>();
  /** Runs of which somebody said that they never started and never will. */
  readonly #never = new Set<string>();
  readonly #results = new Map<string, RunResult>();
  /** What this ledger has. */
  readonly #runs = new Map<string, RunReport>();
  /** Uids whose deletion this ledger has taken note of. */
  readonly #withdrawn = new Set<string>();
  /** Runs whose firm end was in etcd once. */
  readonly #stored = new Set<string>();
  /** By run, the resources that had it, and what each declared it at. */
  readonly #owners = new Map<string, Map<string, number>>();

  /** Somebody created or edited a resource. */
  declared(object: EdgeCommand, before: EdgeCommand | undefined): void {
    const { metadata, spec } = object;
    const what = { revision: revisionOf(spec), rerun: spec.rerun };
    const earlier = before && this.#declarationOf(before);
    const asks = earlier === undefined || asksAnew(what, earlier.what);
    const ask = asks
      ? { byCreation: earlier === undefined, startedAs: undefined, isWanted: false }
      : earlier.ask;
    const declaration = { object, what, ask, before: earlier };
    if (!spec.cancel && !spec.suspend) markWanted(declaration);
    const key = `${metadata.uid} ${metadata.generation}`;
    const same = this.#declarations.get(key) ?? [];
    this.#declarations.set(key, [...same, declaration]);
  }

  /** A process was started for a run. */
  started(report: RunReport): void {
    const { runID, name, uid, declared, rerun } = report;
    if (this.#starts.has(runID)) broken(`run ${runID} started twice`);
    if (this.#never.has(runID)) broken(`run ${runID} started after started: False`);
    this.recorded(report);
    if (this.#withdrawn.has(uid) && report.epoch === 0) {
      broken(`run ${runID} of ${name} started: the node has answered that its resource is deleted`);
    }
    const later = [...this.#runs.values()].find((other) => isLater(other, report));
    if (later !== undefined) {
      broken(
        `run ${runID} of ${name} started: the node had generation ${later.generation} by then`,
      );
    }
    const last = this.#lastStarted.get(name);
    const asks = this.#asksFor(report);
    const problems = asks.map((ask) =>
      problemWith(ask, last !== undefined && isSame(report, last)),
    );
    if (!problems.includes(undefined)) {
      const why = problems.length === 0 ? "nobody declared that" : problems.join("; ");
      broken(
        `run ${runID} of ${name} (uid ${uid}, declared ${declared}, rerun "${rerun}") started: ${why}`,
      );
    }
    for (const ask of asks) ask.startedAs ??= runID;
    this.#starts.set(runID, report);
    this.#lastStarted.set(name, report);
  }

  ledgerLost(): void {
    this.#runs.clear();
    this.#withdrawn.clear();
    this.#lastStarted = new Map();
  }

  /** The node's ledger has this of a run. */
  recorded(report: RunReport): void {
    const { runID, uid, declared, result } = report;
    this.#runs.set(runID, report);
    const owners = this.#owners.get(runID) ?? new Map<string, number>();
    this.#owners.set(runID, owners.set(uid, declared));
    if (result === undefined) return;
    const before = this.#results.get(runID);
    if (before !== undefined && !isSameEnd(before, result)) broken(`the end of ${runID} changed`);
    this.#results.set(runID, result);
    if (result.started === "False") this.neverStarts(runID);
  }

  neverStarts(runID: string): void {
    if (this.#starts.has(runID)) broken(`run ${runID} is said not to have started, and was`);
    this.#never.add(runID);
  }

  withdrawn(uid: string): void {
    this.#withdrawn.add(uid);
  }

  stored(runID: string): void {
    this.#stored.add(runID);
  }

  wasStored(runID: string): boolean {
    return this.#stored.has(runID);
  }

  /** What was last started under a name, or undefined. */
  lastStarted(name: string): What | undefined {
    return this.#lastStarted.get(name);
  }

  hasStarted(runID: string): boolean {
    return this.#starts.has(runID);
  }

  /** Whether a resource ever had this run. */
  owned(runID: string, uid: string): boolean {
    return this.#owners.get(runID)?.has(uid) === true;
  }

  resultOf(runID: string): RunResult | undefined {
    return this.#results.get(runID);
  }

  /** Of the resource that a run was accepted for, and of those that adopted it while it waited. */
  #asksFor(report: RunReport): Ask[] {
    const owners = [...(this.#owners.get(report.runID) ?? [])];
    return owners
      .flatMap(([uid, declared]) => this.#declarations.get(`${uid} ${declared}`) ?? [])
      .filter(({ what }) => isSame(what, report))
      .map(({ ask }) => ask);
  }

  #declarationOf({ metadata, spec }: EdgeCommand): Declaration | undefined {
    const same = this.#declarations.get(`${metadata.uid} ${metadata.generation}`);
    return same?.find(({ object }) => object.spec === spec);
  }
}

/** Whether another run of the resource was sent at a generation that already has, or is past, this one. */
function isLater(other: RunReport, report: RunReport): boolean {
  const isOfSame = other.uid === report.uid && other.epoch === report.epoch;
  return other.runID !== report.runID && isOfSame && other.generation >= report.declared;
}

/** Why it is no reason to start a run. */
function problemWith(ask: Ask, isRunLast: boolean): string | undefined {
  if (ask.startedAs !== undefined) return "that was asked for once and ran already";
  if (!ask.isWanted) return "cancelled or suspended all the time";
  return ask.byCreation && isRunLast
    ? "creating a resource again is no reason to run once more what ran last"
    : undefined;
}

/** Also those that it may go on from: clearing rerun goes on with whatever of it was taken up. */
function markWanted(declaration: Declaration): void {
  const { revision } = declaration.what;
  let each: Declaration | undefined = declaration;
  while (each?.what.revision === revision) {
    each.ask.isWanted = true;
    each = each.before;
  }
}

function asksAnew(what: What, before: What): boolean {
  if (what.revision !== before.revision) return true;
  return what.rerun !== "" && what.rerun !== before.rerun;
}

/** Whether running `done` was running `what`: an empty rerun asks for nothing more. */
export function isSame(what: What, done: What): boolean {
  return what.revision === done.revision && (what.rerun === "" || what.rerun === done.rerun);
}

function isSameEnd(
  a: Pick<RunResult, "outcome" | "started">,
  b: Pick<RunResult, "outcome" | "started">,
): boolean {
  return a.outcome === b.outcome && a.started === b.started;
}
