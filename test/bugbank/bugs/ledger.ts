import type { Bug } from "../edit.ts";

/** In what the node decides from its ledger, and in what it writes there. */
export const LEDGER_BUGS: readonly Bug[] = [
  {
    name: "a retired uid may run",
    file: "src/agent/decision.ts",
    sound: "  if (retired.includes(offer.uid)) return decideOnRetired(offer, row);\n",
    broken: "",
    caughtBy: ["test/unit/agent/decision.test.ts"],
  },
  {
    name: "a resource takes over another's row without being told to",
    file: "src/agent/decision.ts",
    sound: "if (offer.takesOver !== row.uid) return",
    broken: "if (offer.takesOver !== undefined && offer.takesOver !== row.uid) return",
    caughtBy: ["test/unit/agent/decision.test.ts"],
  },
  {
    name: "the generation counts before the epoch",
    file: "src/agent/decision.ts",
    sound: "return epoch === row.epoch ? generation - row.generation : epoch - row.epoch;",
    broken:
      "return generation === row.generation ? epoch - row.epoch : generation - row.generation;",
    caughtBy: ["test/unit/agent/decision.test.ts"],
  },
  {
    name: "an empty rerun runs the command again",
    file: "src/agent/decision.ts",
    sound: '(offer.rerun === "" || offer.rerun === run.rerun)',
    broken: "offer.rerun === run.rerun",
    caughtBy: ["test/unit/agent/decision.test.ts"],
  },
  {
    name: "an older state with an empty rerun passes for the present one",
    file: "src/agent/decision.ts",
    sound:
      "const isKnown = isOlder(offer, row) ? isExactly(offer, row.run) : isSame(offer, row.run);",
    broken: "const isKnown = isSame(offer, row.run);",
    caughtBy: ["test/unit/agent/decision.test.ts"],
  },
  {
    name: "what an earlier ledger may have run is run again",
    file: "src/agent/decision.ts",
    sound: 'return { kind: "ledgerLost" };',
    broken: 'return { kind: "newRun", ends: undefined, retires: undefined };',
    caughtBy: ["test/unit/agent/decision.test.ts"],
  },
  {
    name: "a resource that was created again runs what was run",
    file: "src/agent/decision.ts",
    sound: "if (isSame(offer, run) && !neverStarted) {",
    broken: "if (isSame(offer, run) && !run.finished) {",
    caughtBy: ["test/unit/agent/decision.test.ts"],
  },
  {
    name: "a known run takes the rerun of the offer",
    file: "src/agent/ledger-tables.ts",
    sound: `      \`UPDATE runs SET epoch = :epoch, generation = :generation,
                       terms = iif(state = 'Accepted', coalesce(:terms, terms), terms)
       WHERE run_id = :runID AND (epoch, generation) < (:epoch, :generation)\`,
      { runID, ...positionOf(command), terms: jsonOf(command.terms) },`,
    broken: `      \`UPDATE runs SET epoch = :epoch, generation = :generation, rerun = :rerun,
                       terms = iif(state = 'Accepted', coalesce(:terms, terms), terms)
       WHERE run_id = :runID AND (epoch, generation) < (:epoch, :generation)\`,
      { runID, ...positionOf(command), rerun: command.rerun, terms: jsonOf(command.terms) },`,
    caughtBy: ["test/unit/agent/take-command.test.ts"],
  },
  {
    name: "the withdrawal of what never came leaves no row",
    file: "src/agent/take-command.ts",
    sound: "  if (tables.isFull()) return { ack: BUSY, ...NOTHING };",
    broken:
      '  if (taking.withdraws !== undefined) return { ack: { answer: "absent" }, ...NOTHING };',
    caughtBy: ["test/unit/agent/take-command.test.ts"],
  },
  {
    name: "what ran last is forgotten with an adoption",
    file: "src/agent/take-command.ts",
    sound: "runID === row.run.runID ? row.lastRan?.runID : undefined",
    broken: "undefined",
    caughtBy: ["test/unit/agent/take-command.test.ts"],
  },
  {
    name: "the deletion of a resource does not retire its uid",
    file: "src/agent/take-command.ts",
    sound: "  if (!retired.includes(uid)) tables.retire(namespace, name, uid);\n",
    broken: "",
    caughtBy: ["test/unit/agent/take-command.test.ts"],
  },
  {
    name: "a run that was adopted does not owe its result again",
    file: "src/agent/ledger-tables.ts",
    sound: "adopted = 1, receipted = 0,",
    broken: "adopted = 1,",
    caughtBy: ["test/unit/agent/take-command.test.ts"],
  },
];
