import { z } from "zod";
import { mapList } from "./rules.ts";

/** A condition as in `k8s.io/apimachinery` meta/v1. */
export const condition = z.object({
  type: z.string().max(316).describe("Type of the condition, in CamelCase."),
  status: z.enum(["True", "False", "Unknown"]).describe("Whether the condition holds."),
  observedGeneration: z
    .int()
    .min(0)
    .optional()
    .describe("The metadata.generation that the condition was computed for."),
  lastTransitionTime: z
    .string()
    .meta({ format: "date-time" })
    .describe("When the status of the condition last changed."),
  reason: z.string().min(1).max(1024).describe("Why, as one CamelCase word."),
  message: z.string().max(2048).describe("Why, for people."),
});
export type Condition = z.infer<typeof condition>;

/** Of every status. With its default of -1, kstatus takes a new resource for one in progress. */
export const observedGeneration = z
  .int()
  .min(-1)
  .optional()
  .describe("The metadata.generation that this status speaks of; -1: not looked at yet.");

export const conditionList = z.array(condition).max(16).meta(mapList("type"));

export interface ConditionClaim {
  readonly type: string;
  readonly status: Condition["status"];
  readonly reason: string;
  readonly message: string;
}

/**
 * The list that says exactly what is claimed. `lastTransitionTime` moves only when the status of a
 * condition changes (the Kubernetes rule, not Flux's); a type that is not claimed any more is dropped.
 * Sorted by type, so that equal claims make equal lists.
 */
export function setConditions(
  previous: readonly Condition[],
  claims: readonly ConditionClaim[],
  context: { readonly observedGeneration: number; readonly now: string },
): Condition[] {
  return claims
    .map((claim) => {
      const before = previous.find(({ type }) => type === claim.type);
      const unchanged = before?.status === claim.status;
      return {
        type: claim.type,
        status: claim.status,
        observedGeneration: context.observedGeneration,
        lastTransitionTime: unchanged ? before.lastTransitionTime : context.now,
        reason: claim.reason,
        message: claim.message,
      };
    })
    .toSorted((a, b) => (a.type < b.type ? -1 : 1));
}
