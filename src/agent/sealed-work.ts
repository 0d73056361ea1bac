import { unseal, type SealingKey } from "../identity/sealing.ts";
import type { CommandWork } from "../protocol/command.ts";
import { sealedInputs, type SealedInputs } from "../protocol/sealed-inputs.ts";
import type { OpenRun, SealedBox } from "./ledger-run.ts";
import { Redaction } from "./redactor.ts";
import { rejected, withoutFurtherAttempt, type RunEnd } from "./run-end.ts";

/** A run with its secrets in its work: to be started, and never to be kept or shown. */
export interface OpenedRun extends OpenRun {
  /** What is not to be seen of it; absent if it has no secrets. */
  readonly redaction?: Redaction;
}

/** "unreadable": there are secrets, and this node's key does not open them. Pure. */
export function openedRun(
  run: OpenRun,
  sealed: SealedBox | undefined,
  key: SealingKey,
): OpenedRun | "unreadable" {
  if (sealed === undefined) return run;
  const inputs = inputsIn(sealed, key);
  if (inputs === undefined) return "unreadable";
  const redaction = new Redaction(secretsOf(inputs));
  return { ...run, work: withInputs(run.work, inputs), redaction };
}

function inputsIn({ box, context }: SealedBox, key: SealingKey): SealedInputs | undefined {
  try {
    return sealedInputs.parse(JSON.parse(unseal(box, key, context).toString("utf8")));
  } catch {
    // What was thrown may quote what is in the box.
    return undefined;
  }
}

function secretsOf({ env, stdin }: SealedInputs): string[] {
  const all = stdin === undefined ? env : [...env, stdin];
  return all.filter(({ isPublic }) => isPublic !== true).map(({ value }) => value);
}

function withInputs(work: CommandWork, { env, stdin }: SealedInputs): CommandWork {
  const variables = env.map(({ name, value }) => ({ name, value }));
  return { ...work, env: [...work.env, ...variables], stdin: stdin?.value ?? work.stdin };
}

/** The end of a run whose secrets do not open: what its attempts came to before, if there were any, stays true. */
export function unreadableEnd({ lastEnd }: Pick<OpenRun, "lastEnd">): RunEnd {
  if (lastEnd !== undefined) {
    return withoutFurtherAttempt(lastEnd, "its secrets do not open with the node's key any more");
  }
  return rejected(
    "SealedInputsUnreadable",
    "Its secrets do not open with the node's key: has the sealing key of the node been made anew? " +
      "Set spec.rerun to a new value to have them sealed and sent again.",
  );
}
