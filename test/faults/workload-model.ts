import type { Random } from "../../src/runtime/random.ts";
import type { Declared } from "./evidence.ts";
import { pickWeighted } from "../support/seeded-random.ts";
import { scriptOf, termsOf, type ScriptKind } from "./scripts.ts";
import type { NodeName } from "./topology.ts";

/** One thing to run, with what its declaration needs. */
export interface What {
  readonly declared: Declared;
  readonly script: string;
}

/** What the users know of one name. */
export interface Named {
  readonly name: string;
  readonly node: string;
  /** As far as they know: a restored etcd may have it otherwise. */
  live: boolean;
  readonly whats: What[];
  /** The last that was declared under this name, by whichever resource. */
  last: What | undefined;
  /** The most attempts that a resource of this name ever allowed a run. */
  attempts: number;
}

const KIND_WEIGHTS: readonly { readonly kind: ScriptKind; readonly weight: number }[] = [
  { kind: "quick", weight: 8 },
  { kind: "failing", weight: 3 },
  { kind: "sleeping", weight: 5 },
  { kind: "loud", weight: 2 },
  { kind: "forking", weight: 2 },
  { kind: "stubborn", weight: 2 },
  { kind: "hasty", weight: 3 },
];

/** What the users have declared so far, and what that allows to happen. */
export class WorkloadModel {
  readonly names = new Map<string, Named>();
  readonly declared = new Map<string, Declared>();
  readonly #random: Random;
  readonly #truthPath: (node: string) => string;
  /** Whether the cluster may have gone back in time: then nobody knows what it declares under a name. */
  readonly #wasRestored: () => boolean;
  #reruns = 0;

  constructor(
    random: Random,
    truthPath: (node: string) => string,
    wasRestored: () => boolean = () => false,
  ) {
    this.#random = random;
    this.#truthPath = truthPath;
    this.#wasRestored = wasRestored;
  }

  addName(node: NodeName | "nowhere"): Named {
    const name = `ec-${this.names.size + 1}`;
    const named: Named = { name, node, live: false, whats: [], last: undefined, attempts: 1 };
    this.names.set(name, named);
    return named;
  }

  /** Something to run that was never declared before. */
  addWhat(named: Named): What {
    const kind = pickWeighted(this.#random, KIND_WEIGHTS)?.kind ?? "quick";
    const { name, node } = named;
    const token = `${name}/${named.whats.length + 1}-${kind}`;
    const declared: Declared = {
      token,
      name,
      node,
      kind,
      declarations: 0,
      attempts: named.attempts,
      hasDeadline: false,
    };
    const script = scriptOf(kind, { token, truthPath: this.#truthPath(node) }, this.#random);
    const what = { declared, script };
    named.whats.push(what);
    this.declared.set(token, declared);
    return what;
  }

  /**
   * To be called before it is asked for: it may run from then on. Declaring what was the last to be
   * declared under the name runs nothing, be it in a new resource.
   */
  declare(named: Named, what: What): object {
    if (named.last !== what || this.#wasRestored()) what.declared.declarations += 1;
    named.last = what;
    const terms = termsOf(what.declared.kind, this.#random);
    what.declared.hasDeadline ||= terms.startDeadline !== null;
    return { method: "shellcommand", args: [what.script], ...terms };
  }

  /** What is declared already is declared once more: a new value of `rerun`. Gives that value. */
  declareAgain({ last, whats }: Named): string {
    const meant = this.#wasRestored() ? whats : whats.filter((what) => what === last);
    for (const { declared } of meant) declared.declarations += 1;
    return `r${(this.#reruns += 1)}`;
  }

  /** From now on runs of this name may have so many attempts: a resource's retry is for all that it runs. */
  allowAttempts(named: Named, attempts: number): void {
    named.attempts = Math.max(named.attempts, attempts);
    for (const { declared } of named.whats) declared.attempts = named.attempts;
  }
}
