import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import { seal } from "../../identity/sealing.ts";
import type { Command } from "../../protocol/command.ts";
import { sealingContext } from "../../protocol/sealed-inputs.ts";
import { errorMessage } from "../../runtime/errors.ts";
import type { Semaphore } from "../../runtime/semaphore.ts";
import type { NodeSecurity } from "../node-security.ts";
import type { ObjectRead, ValueReader } from "../ports.ts";
import type { OfferOutcome } from "./answer.ts";
import { inputObjectKey, inputObjects, inputsFrom, type InputProblem } from "./inputs.ts";

export interface SealingDeps {
  readonly values: ValueReader;
  readonly security: Pick<NodeSecurity, "signers">;
  /** Bounds the live reads: after an outage every open command wants one. */
  readonly liveReads: Semaphore;
}

/** What came of gathering what a command gets from Secrets and ConfigMaps. */
export type GatheredInputs =
  | { readonly kind: "none" }
  /** Seals it, for the one message that it is for. */
  | { readonly kind: "gathered"; sealedFor(message: Command): string }
  | Extract<OfferOutcome, { kind: "held" | "unread" }>;

/**
 * Reads what the command is to be given from the API server, now, and for a node whose key is known: what is not
 * sealed goes nowhere. `sealingKey`: of the node, if it has told one.
 */
export async function gatherInputs(
  { values, security, liveReads }: SealingDeps,
  command: EdgeCommand,
  sealingKey: string | undefined,
): Promise<GatheredInputs> {
  const objects = inputObjects(command.spec);
  if (objects.length === 0) return { kind: "none" };
  if (security.signers.length === 0) return { kind: "held", ...INSECURE };
  if (sealingKey === undefined) return { kind: "held", ...NO_SEALING_KEY };
  const { namespace } = command.metadata;
  try {
    const reads = await liveReads.run(() =>
      Promise.all(
        objects.map(async (object): Promise<[string, ObjectRead]> => [
          inputObjectKey(object),
          await values.read({ ...object, namespace }),
        ]),
      ),
    );
    const inputs = inputsFrom(command, new Map(reads));
    if ("reason" in inputs) return { kind: "held", ...inputs };
    if (inputs.env.length === 0 && inputs.stdin === undefined) return { kind: "none" };
    const plaintext = Buffer.from(JSON.stringify(inputs));
    return {
      kind: "gathered",
      sealedFor: (message) => seal(plaintext, sealingKey, sealingContext(message)),
    };
  } catch (thrown) {
    return { kind: "unread", problem: errorMessage(thrown) };
  }
}

type Held = Omit<InputProblem, "reason"> & { readonly reason: "InsecureMode" | "NoSealingKey" };

const INSECURE: Held = {
  reason: "InsecureMode",
  message:
    "It has values from Secrets or ConfigMaps, and the controller runs with --insecure, where anyone on the broker " +
    "may pose as the node. Run the controller with its keys, as steward bootstrap makes them.",
};

const NO_SEALING_KEY: Held = {
  reason: "NoSealingKey",
  message:
    "It has values from Secrets or ConfigMaps, and the node has told no key to seal them to. It does with its next " +
    "hello, unless its agent is too old: then update that.",
};
