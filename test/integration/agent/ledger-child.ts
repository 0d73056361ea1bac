import { randomUUID } from "node:crypto";
import { Ledger } from "../../../src/agent/ledger.ts";
import { FatalError } from "../../../src/runtime/errorkernel.ts";
import { errorMessage } from "../../../src/runtime/errors.ts";
import { command } from "../../unit/agent/controller-side.ts";

/**
 * A process of its own for what cannot be done to a test's: a disk that fills up, a user without rights.
 * `open <path>` opens the ledger, as nobody if it may choose; `fill <path>` commits runs until that fails.
 * Prints what came of it as JSON.
 */
const [what, path = ""] = process.argv.slice(2);

function open(): unknown {
  if (process.getuid?.() === 0) process.setuid?.(65_534);
  try {
    Ledger.open(path, randomUUID).close();
    return { opened: true };
  } catch (thrown) {
    return told(thrown);
  }
}

async function fill(): Promise<unknown> {
  const ledger = Ledger.open(path, randomUUID);
  const committed: string[] = [];
  const tried: string[] = [];
  try {
    for (;;) {
      const runID = randomUUID();
      tried.push(runID);
      const work = { stdin: "x".repeat(10_000) };
      await ledger.commit((tables) => {
        tables.insertRun(runID, command({ name: `task-${tried.length}`, work }), "");
      });
      committed.push(runID);
    }
  } catch (thrown) {
    const { isBroken } = ledger;
    closeQuietly(ledger);
    return { ...told(thrown), isBroken, committed, tried, kept: keptRuns() };
  }
}

/** The agent is gone by now, whatever its last act came to. */
function closeQuietly(ledger: Ledger): void {
  try {
    ledger.close();
  } catch {
    // A full disk does not let it tidy up.
  }
}

function keptRuns(): string[] {
  const ledger = Ledger.open(path, randomUUID);
  return ledger.read.openRuns().map(({ runID }) => runID);
}

function told(thrown: unknown): { readonly kind: string; readonly message: string } {
  const isWrapped = thrown instanceof FatalError;
  const error = isWrapped ? thrown.cause : thrown;
  return { kind: error instanceof Error ? error.name : "", message: errorMessage(thrown) };
}

process.stdout.write(JSON.stringify(what === "fill" ? await fill() : open()));
