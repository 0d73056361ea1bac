import type { Bug } from "../edit.ts";

/** In what the controller sends, believes and writes down. */
export const CONTROLLER_BUGS: readonly Bug[] = [
  {
    name: "a receipt is given before the status is written",
    file: "src/controller/edgecommand/reconciler.ts",
    sound: "      const isWritten = await this.#write(command, writeStatus);",
    broken: `      this.#receipts.stored(key, pending);
      const isWritten = await this.#write(command, writeStatus);`,
    caughtBy: ["test/unit/controller/edgecommand/reconciler.test.ts"],
  },
  {
    name: "a receipt is given although the status could not be written",
    file: "src/controller/edgecommand/reconciler.ts",
    sound: "      if (!isWritten) return;\n",
    broken: "",
    caughtBy: ["test/unit/controller/edgecommand/reconciler.test.ts"],
  },
  {
    name: "a node speaks for another node's command",
    file: "src/controller/edgecommand/reconciler.ts",
    sound: '  return isOfItsNode ? "mine" : "forged";',
    broken: '  return "mine";',
    caughtBy: ["test/unit/controller/controller.test.ts"],
  },
  {
    name: "a resource is taken for gone because the cache does not have it",
    file: "src/controller/edgecommand/receipts.ts",
    sound: "await commands.getLive(namespace, name).catch(",
    broken: "await Promise.resolve(commands.get(key)).catch(",
    caughtBy: ["test/unit/controller/controller.test.ts"],
  },
  {
    name: "a re-send goes by the cache and not by a live read",
    file: "src/controller/edgecommand/offer.ts",
    sound: "await commands.getLive(metadata.namespace, metadata.name);",
    broken: "commands.get(`${metadata.namespace}/${metadata.name}`);",
    caughtBy: ["test/unit/controller/edgecommand/reconciler.test.ts"],
  },
  {
    name: "an edited command is sent before its status names it",
    file: "src/controller/edgecommand/plan.ts",
    sound: "runs.mustBeWritten || observed.reports.length > 0",
    broken: "observed.reports.length > 0",
    caughtBy: ["test/unit/controller/edgecommand/plan.test.ts"],
  },
  {
    name: "a deletion is withdrawn because the cache does not have the resource",
    file: "src/controller/edgecommand/deletions.ts",
    sound: "await commands.getLive(pending.namespace, pending.name);",
    broken: "commands.get(objectKey(pending));",
    caughtBy: ["test/unit/controller/controller-deletions.test.ts"],
  },
  {
    name: "a node that is ahead is believed without a live read",
    file: "src/controller/edgecommand/answer.ts",
    sound: "  if (!readLive) return { exchange: { dueAt: 0 } };\n",
    broken: "",
    caughtBy: ["test/unit/controller/edgecommand/answer.test.ts"],
  },
  {
    name: "Unknown is firm",
    file: "src/controller/edgecommand/run.ts",
    sound: 'run?.outcome === undefined || run.outcome === "Unknown"',
    broken: "run?.outcome === undefined",
    caughtBy: ["test/unit/controller/edgecommand/deadlines.test.ts"],
  },
  {
    name: "what the controller said without the node is firm",
    file: "src/controller/edgecommand/run.ts",
    sound: '  return run.runID !== undefined || run.started === "False";',
    broken: "  return true;",
    caughtBy: ["test/unit/controller/edgecommand/declaration.test.ts"],
  },
  {
    name: "a firm end is replaced by a later report",
    file: "src/controller/edgecommand/reported-run.ts",
    sound: "if (isFirm(run) || !isOf(run, report, command)) {",
    broken: "if (!isOf(run, report, command)) {",
    caughtBy: ["test/unit/controller/edgecommand/receipt-table.test.ts"],
  },
  {
    name: "a result of an earlier generation lands on the declared run",
    file: "src/controller/edgecommand/reported-run.ts",
    sound: "report.generation >= run.declared",
    broken: "report.generation >= report.declared",
    caughtBy: ["test/unit/controller/edgecommand/receipt-table.test.ts"],
  },
  {
    name: "resuming moves the time of the request",
    file: "src/controller/edgecommand/suspension.ts",
    sound: "{ ...resumed, resumedAt: now }",
    broken: "{ ...resumed, requestedAt: now }",
    caughtBy: ["test/unit/controller/edgecommand/suspend.test.ts"],
  },
  {
    name: "a run whose ledger is lost is offered again",
    file: "src/controller/edgecommand/offering.ts",
    sound: '  if (run.outcome === "Unknown" && run.reason === "LedgerLost") return undefined;\n',
    broken: "",
    caughtBy: ["test/unit/controller/edgecommand/later-state.test.ts"],
  },
  {
    name: "a node is silent because the broker is away",
    file: "src/controller/edgecommand/deadlines.ts",
    sound: "if (!isGone(observed.node) || observed.brokerDownMs !== undefined) return run;",
    broken: "if (!isGone(observed.node)) return run;",
    caughtBy: ["test/unit/controller/edgecommand/deadlines.test.ts"],
  },
  {
    name: "a node is not told that it had another ledger before",
    file: "src/controller/edgecommand/message.ts",
    sound:
      "    ...(ledgerSince === undefined ? {} : { ledgerSince: inMilliseconds(ledgerSince) }),\n",
    broken: "",
    caughtBy: ["test/unit/controller/controller-ledgers.test.ts"],
  },
];
