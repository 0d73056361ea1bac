import * as fc from "fast-check";

/** What a person writes into a resource. */
export interface Wish {
  readonly args: "A" | "B";
  readonly rerun: "" | "r1" | "r2";
  readonly suspend: boolean;
  readonly cancel: boolean;
  readonly startDeadline: "30s" | undefined;
  readonly offlinePolicy: "Wait" | "Skip" | "Fail";
}

/** One thing that happens. A `pick` chooses from whatever there is then. */
export type Step =
  | { readonly kind: "create"; readonly name: string; readonly wish: Wish }
  | { readonly kind: "recreate"; readonly name: string }
  | { readonly kind: "delete"; readonly name: string }
  | { readonly kind: "edit"; readonly name: string; readonly change: Partial<Wish> }
  | { readonly kind: "watch"; readonly controller: number; readonly of: "commands" | "nodes" }
  | {
      readonly kind: "api";
      readonly pick: number;
      readonly how: "answered" | "performed" | "failed" | "answerLost";
    }
  | {
      readonly kind: "net";
      readonly pick: number;
      readonly how: "delivered" | "duplicated" | "dropped";
    }
  | {
      readonly kind: "start";
      readonly pick: number;
      readonly progress: "running" | "forked" | "committed";
    }
  | { readonly kind: "finish"; readonly pick: number; readonly outcome: "Succeeded" | "Failed" }
  | { readonly kind: "hello" }
  | { readonly kind: "agentCrash" }
  | { readonly kind: "agentStart" }
  | { readonly kind: "machineDeath" }
  | { readonly kind: "ledgerLoss" }
  | { readonly kind: "time"; readonly ms: number }
  | { readonly kind: "controllerCrash"; readonly controller: number }
  | { readonly kind: "backup" }
  | { readonly kind: "restore"; readonly pick: number }
  /** Nothing goes wrong for a moment: what is on its way arrives, in order. */
  | { readonly kind: "flow"; readonly rounds: number; readonly controllers: readonly number[] };

const name = fc.constantFrom("x", "x", "x", "x", "x", "y");
const args = fc.constantFrom("A", "B");
const rerun = fc.constantFrom("", "r1", "r2");
const pick = fc.nat(30);
const controller = fc.constantFrom(0, 1);
const mostlyFalse = fc.nat(7).map((eighth) => eighth === 7);

const wish: fc.Arbitrary<Wish> = fc.record({
  args,
  rerun: fc.constantFrom("", "", "", "", "r1"),
  suspend: mostlyFalse,
  cancel: mostlyFalse,
  startDeadline: fc.constantFrom(undefined, undefined, undefined, undefined, undefined, "30s"),
  offlinePolicy: fc.constantFrom("Wait", "Wait", "Wait", "Wait", "Wait", "Wait", "Skip", "Fail"),
});

const change: fc.Arbitrary<Partial<Wish>> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ args }) },
  { weight: 3, arbitrary: fc.record({ rerun }) },
  { weight: 1, arbitrary: fc.record({ suspend: mostlyFalse }) },
  { weight: 1, arbitrary: fc.record({ cancel: mostlyFalse }) },
  { weight: 1, arbitrary: fc.record({ args, rerun }) },
);

function of<K extends Step["kind"]>(
  kind: K,
  fields: { [F in keyof Omit<Extract<Step, { kind: K }>, "kind">]: fc.Arbitrary<unknown> },
): fc.Arbitrary<Step> {
  return fc.record({ kind: fc.constant(kind), ...fields }) as fc.Arbitrary<Step>;
}

const weighted: ReadonlyArray<readonly [number, fc.Arbitrary<Step>]> = [
  [6, of("create", { name, wish })],
  [6, of("recreate", { name })],
  [4, of("delete", { name })],
  [12, of("edit", { name, change })],
  [6, of("watch", { controller, of: fc.constantFrom("commands", "commands", "nodes") })],
  [
    10,
    of("api", {
      pick,
      how: fc.constantFrom("answered", "answered", "answered", "performed", "failed", "answerLost"),
    }),
  ],
  [
    14,
    of("net", {
      pick,
      how: fc.constantFrom("delivered", "delivered", "delivered", "duplicated", "dropped"),
    }),
  ],
  [
    14,
    of("start", {
      pick,
      progress: fc.constantFrom(...Array(6).fill("running"), "forked", "committed"),
    }),
  ],
  [6, of("finish", { pick, outcome: fc.constantFrom("Succeeded", "Failed") })],
  [3, of("hello", {})],
  [1, of("agentCrash", {})],
  [12, of("agentStart", {})],
  [1, of("machineDeath", {})],
  [1, of("ledgerLoss", {})],
  [5, of("time", { ms: fc.constantFrom(1_000, 1_000, 5_000, 15_000, 70_000, 700_000) })],
  [2, of("controllerCrash", { controller })],
  [1, of("backup", {})],
  [2, of("restore", { pick })],
  [
    36,
    of("flow", {
      rounds: fc.integer({ min: 1, max: 4 }),
      controllers: fc.constantFrom([0, 1], [0, 1], [0], [1]),
    }),
  ],
];

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  ...weighted.map(([weight, arbitrary]) => ({ weight, arbitrary })),
);

function some(length: number): fc.Arbitrary<readonly Step[]> {
  return fc.array(anyStep, { maxLength: length, size: "max" });
}

/** A backup, and its restore after more has happened. */
function restoring(length: number): fc.Arbitrary<readonly Step[]> {
  const parts = fc.tuple(some(length / 4), some(length / 4), some(length / 4));
  return parts.map(([before, lost, after]) => [
    ...before,
    { kind: "backup" },
    ...lost,
    { kind: "restore", pick: 0 },
    ...after,
  ]);
}

/** Something is declared first: else nothing happens for a while. */
export function sequences(length: number): fc.Arbitrary<readonly Step[]> {
  const rest = fc.oneof(
    { weight: 2, arbitrary: some(length) },
    { weight: 1, arbitrary: restoring(length) },
  );
  return fc.tuple(of("create", { name, wish }), rest).map(([first, others]) => [first, ...others]);
}
