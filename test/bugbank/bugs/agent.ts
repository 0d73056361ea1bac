import type { Bug } from "../edit.ts";

/** In how the node admits, answers, runs and reports. */
export const AGENT_BUGS: readonly Bug[] = [
  {
    name: "the ACK leaves before the commit",
    file: "src/agent/inbox.ts",
    sound: `(tables) =>
      takeCommand(tables, { command, runID, at, rejection }),`,
    broken: `(tables) => {
      const early = takeCommand(tables, { command, runID, at, rejection });
      message.respond(encodeMessage(ackMessage, early.ack));
      return early;
    },`,
    caughtBy: ["test/unit/agent/inbox.test.ts"],
  },
  {
    name: "a command for an earlier session is taken",
    file: "src/agent/admission.ts",
    sound: `  if (message.sessionID !== own.sessionID) {
    return refused("WrongSession", "this is for another session of the agent");
  }
`,
    broken: "",
    caughtBy: ["test/unit/agent/admission.test.ts"],
  },
  {
    name: "a command whose age cannot be told is young enough",
    file: "src/agent/admission.ts",
    sound: "  if (Math.abs(age) <= MAX_ENVELOPE_AGE_MS) return undefined;",
    broken: "  if (!(Math.abs(age) > MAX_ENVELOPE_AGE_MS)) return undefined;",
    caughtBy: ["test/unit/agent/admission.test.ts"],
  },
  {
    name: "an interrupted run is started again although it is not idempotent",
    file: "src/agent/after-attempt.ts",
    sound: "      return terms.idempotent;",
    broken: "      return terms.idempotent || terms.retry.limit > 0;",
    caughtBy: ["test/unit/agent/after-attempt.test.ts"],
  },
  {
    name: "there is one attempt more than the limit allows",
    file: "src/agent/after-attempt.ts",
    sound: "attempt.attempts > retry.limit",
    broken: "attempt.attempts > retry.limit + 1",
    caughtBy: ["test/unit/agent/after-attempt.test.ts"],
  },
  {
    name: "an attempt that may be under way is made once more",
    file: "src/agent/run-executor.ts",
    sound: '    if (run?.state !== "Accepted" || this.#isStopped) return "nothing";',
    broken: '    if (run === undefined || this.#isStopped) return "nothing";',
    caughtBy: ["test/unit/agent/run-executor.test.ts"],
  },
  {
    name: "the node's wall clock decides about the start deadline",
    file: "src/agent/run-executor.ts",
    sound: "  const now = clock.now();",
    broken: "  const now = Date.now();",
    caughtBy: ["test/unit/agent/run-executor.test.ts"],
  },
  {
    name: "a run of another boot is taken up as if it still ran",
    file: "src/agent/run-executor.ts",
    sound: ' || run.state === "Accepted" || run.bootID !== bootID) return;',
    broken: ' || run.state === "Accepted" || run.bootID === undefined) return;',
    caughtBy: ["test/unit/agent/run-executor.test.ts"],
  },
  {
    name: "the time-out counts anew for the agent that takes a run up",
    file: "src/agent/run-executor.ts",
    sound: "reattachProcess({ ...processOf(run), redaction }, owner, this.#processes());",
    broken: `reattachProcess(
          { ...processOf(run), redaction, deadline: clock.monotonic() + run.terms.timeoutMs },
          owner,
          this.#processes(),
        );`,
    caughtBy: ["test/integration/agent/recovery.test.ts"],
  },
  {
    name: "the child is killed and not its group",
    file: "src/agent/run-processes.ts",
    sound: "  return signalProcess(-groupID, signal);",
    broken: "  return signalProcess(groupID, signal);",
    caughtBy: ["test/integration/agent/attempt-endings.test.ts"],
  },
  {
    name: "a wrapper claims an attempt that another has claimed",
    file: "src/agent/wrapper-script.ts",
    sound: 'echo "$$" >"$1/pid"',
    broken: 'echo "$$" >|"$1/pid"',
    caughtBy: ["test/integration/agent/reattach.test.ts"],
  },
  {
    name: "a receipt for another run settles this one",
    file: "src/agent/outbox.ts",
    sound: 'receipt.receipt === "refused" || receipt.runID === runID ? receipt : undefined',
    broken: "receipt",
    caughtBy: ["test/unit/agent/outbox.test.ts"],
  },
  {
    name: "a reply goes to an inbox whose name only begins like the node's",
    file: "src/protocol/subjects.ts",
    sound: "reply.startsWith(`${inbox}.`)",
    broken: "reply.startsWith(inbox)",
    caughtBy: ["test/unit/protocol/subjects.test.ts"],
  },
];
