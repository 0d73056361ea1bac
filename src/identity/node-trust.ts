import type { z } from "zod";
import { joinToken } from "./join-token.ts";
import { parsedJson } from "../runtime/json.ts";

/** What a node keeps of its join token: where its broker is, whom it obeys, how it asks for credentials. */
export type NodeTrust = z.infer<typeof nodeTrust>;

/** That is not what a node keeps. `message` names the field. */
export class NodeTrustError extends Error {
  override readonly name = "NodeTrustError";
}

const nodeTrust = joinToken.omit({ seed: true });

export function serialiseNodeTrust(trust: NodeTrust): string {
  return `${JSON.stringify(nodeTrust.parse(trust), null, 2)}\n`;
}

/** Throws a NodeTrustError. */
export function parseNodeTrust(text: string): NodeTrust {
  const parsed = nodeTrust.safeParse(parsedJson(text));
  if (parsed.success) return parsed.data;
  throw new NodeTrustError(problemOf(parsed.error));
}

function problemOf({ issues: [issue] }: z.ZodError): string {
  const field = issue?.path.join(".") ?? "";
  if (field !== "") return `${field} is not as it must be`;
  return issue?.code === "unrecognized_keys"
    ? "it has a field that is unknown"
    : "it is no JSON object";
}
