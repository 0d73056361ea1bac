import type { Random } from "../../src/runtime/random.ts";
import { between } from "../support/seeded-random.ts";

/** The kinds of commands that are declared. */
export const SCRIPT_KINDS = [
  "quick",
  "failing",
  "sleeping",
  "loud",
  "forking",
  "stubborn",
  "hasty",
] as const;
export type ScriptKind = (typeof SCRIPT_KINDS)[number];

/** How a run of a kind ends when nothing happens to it. */
export interface Expected {
  readonly outcome: "Succeeded" | "Failed" | "TimedOut";
  readonly exitCode?: number;
}

interface Script {
  readonly body: (random: Random) => string;
  readonly expected: Expected;
  /** Spec fields beside the script. Every kind sets the same ones: an edit replaces them all. */
  readonly terms: (random: Random) => Terms;
}

export interface Terms {
  readonly timeout: string;
  readonly startDeadline: string | null;
}

const succeeds: Expected = { outcome: "Succeeded", exitCode: 0 };
const patient = (): Terms => ({ timeout: "120s", startDeadline: null });

/** Nothing of these lives longer than this by itself, whatever becomes of the system under test. */
const LONGEST_S = 90;

const SCRIPTS: Readonly<Record<ScriptKind, Script>> = {
  quick: { body: () => "echo done", expected: succeeds, terms: patient },
  failing: {
    body: () => "echo no >&2; exit 3",
    expected: { outcome: "Failed", exitCode: 3 },
    terms: patient,
  },
  sleeping: {
    body: (random) => `sleep ${between(random, 1, 3)}; echo slept`,
    expected: succeeds,
    terms: patient,
  },
  loud: {
    body: () => "head -c 200000 /dev/zero | tr '\\0' x; echo",
    expected: succeeds,
    terms: patient,
  },
  // What it leaves in the background goes on: the command has ended.
  forking: {
    body: () => `setsid sleep 20 > /dev/null 2>&1 & echo left`,
    expected: succeeds,
    terms: patient,
  },
  // Ignores TERM, and so does what it hides in another session: only its end by force is one.
  stubborn: {
    body: () =>
      `trap '' TERM; setsid sh -c "trap '' TERM; sleep ${LONGEST_S}" > /dev/null 2>&1 & ` +
      `i=0; while [ $i -lt ${LONGEST_S * 5} ]; do sleep 0.2; i=$((i+1)); done`,
    expected: { outcome: "TimedOut" },
    terms: (random) => ({ timeout: `${between(random, 2, 4)}s`, startDeadline: null }),
  },
  hasty: {
    body: () => "echo in time",
    expected: succeeds,
    terms: (random) => ({ timeout: "120s", startDeadline: `${between(random, 1, 5)}s` }),
  },
};

export function expectedOf(kind: ScriptKind): Expected {
  return SCRIPTS[kind].expected;
}

export function termsOf(kind: ScriptKind, random: Random): Terms {
  return SCRIPTS[kind].terms(random);
}

/**
 * A shell script that first of all appends `<token> <run id>` to the truth of its node, in one write and
 * fsynced, says the same on its standard output, and then does what its kind does.
 */
export function scriptOf(
  kind: ScriptKind,
  { token, truthPath }: { readonly token: string; readonly truthPath: string },
  random: Random,
): string {
  const record = `line="${token} $STEWARD_RUN_ID"; printf '%s\\n' "$line" >> ${truthPath}`;
  return `${record}; sync ${truthPath}; printf '%s\\n' "$line"; ${SCRIPTS[kind].body(random)}`;
}

/** The token in a script made by `scriptOf`. */
export function tokenIn(script: string | undefined): string | undefined {
  return /^line="([^ ]+) /.exec(script ?? "")?.[1];
}

export interface TruthLine {
  readonly node: string;
  readonly token: string;
  readonly runID: string;
}

/** What a truth file says. A line that is none is kept, with an empty run id, for the checker to complain. */
export function parseTruth(node: string, text: string): readonly TruthLine[] {
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line) => {
    const [token = "", runID = "", ...rest] = line.split(" ");
    return rest.length > 0 ? { node, token: line, runID: "" } : { node, token, runID };
  });
}
