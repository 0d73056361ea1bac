import { z } from "zod";
import { rules } from "../rules.ts";

/** A key of a Secret or a ConfigMap of the same namespace, as core/v1 has them. */
function keyRef(kind: string) {
  return z
    .object({
      name: z
        .string()
        .min(1)
        .max(253)
        .meta(
          rules({
            rule: "self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",
            message: `must be the name of a ${kind} of this namespace`,
          }),
        )
        .describe(`The ${kind}.`),
      key: z
        .string()
        .min(1)
        .max(253)
        .meta(
          rules({
            rule: "self.matches('^[-._a-zA-Z0-9]+$')",
            message: "must be a key: letters, digits and - . _",
          }),
        )
        .describe(`Which of its keys.`),
      optional: z
        .boolean()
        .default(false)
        .describe(`Whether it may be missing: then it is as if it were not asked for.`),
    })
    .describe(`A key of a ${kind} of this namespace.`);
}

/** Where a value comes from that is not in the resource itself. */
export const valueSource = z
  .object({
    secretKeyRef: keyRef("Secret").optional(),
    configMapKeyRef: keyRef("ConfigMap").optional(),
  })
  .meta(
    rules({
      rule: "has(self.secretKeyRef) != has(self.configMapKeyRef)",
      message: "must have one of secretKeyRef and configMapKeyRef",
    }),
  );
export type ValueSource = z.infer<typeof valueSource>;
