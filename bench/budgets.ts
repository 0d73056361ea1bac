/** One figure that there is a budget for. */
export interface Budget {
  readonly figure: BudgetedFigure;
  readonly what: string;
  readonly limit: number;
  /** Whether the limit is the least that will do; else it is the most. */
  readonly atLeast?: true;
}

export interface Verdict extends Budget {
  readonly value: number;
  readonly ok: boolean;
}

export type BudgetedFigure =
  | "throughputRatio"
  | "p50Ratio"
  | "ackRatio"
  | "statusWritesPerCommand"
  | "controllerRssMb"
  | "agentRssMb"
  | "agentStartMs"
  | "brokerConnectionRatio";

const BUDGETS: readonly Budget[] = [
  {
    figure: "throughputRatio",
    what: "commands/s over the bare pair",
    limit: 0.9,
    atLeast: true,
  },
  { figure: "p50Ratio", what: "create to status p50 over the bare pair", limit: 1.5 },
  { figure: "ackRatio", what: "send to ACK over bare NATS, without the commit", limit: 1.5 },
  { figure: "statusWritesPerCommand", what: "status writes per command", limit: 1 },
  { figure: "controllerRssMb", what: "controller RSS, MB", limit: 300 },
  { figure: "agentRssMb", what: "agent RSS idle, MB", limit: 80 },
  { figure: "agentStartMs", what: "agent start to first hello, ms", limit: 500 },
  { figure: "brokerConnectionRatio", what: "broker memory per node over a bare one", limit: 1.1 },
];

/** Printed, never asserted: a small machine is too noisy to fail anybody on its word. */
export function judge(figures: Readonly<Record<BudgetedFigure, number>>): Verdict[] {
  return BUDGETS.map((budget) => {
    const value = figures[budget.figure];
    const ok = budget.atLeast === true ? value >= budget.limit : value <= budget.limit;
    return { ...budget, value, ok };
  });
}
