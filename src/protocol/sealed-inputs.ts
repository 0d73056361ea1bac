import { z } from "zod";
import type { Address, Offer } from "./command.ts";

/** It is of a ConfigMap: the command may print it. */
const isPublic = z.literal(true).optional();

/** What a command gets from Secrets and ConfigMaps, as it is inside of its sealed box. */
export const sealedInputs = z.strictObject({
  /** In addition to the env of the work. */
  env: z.array(z.strictObject({ name: z.string(), value: z.string(), isPublic })).max(64),
  /** Instead of the stdin of the work; absent if that comes from neither. */
  stdin: z.strictObject({ value: z.string(), isPublic }).optional(),
});
export type SealedInputs = z.infer<typeof sealedInputs>;

/** Sealed to the sealingKey that the node's hello has; base64. */
export const sealedBox = z.base64().max(262_144);
/** So much JSON of sealed inputs makes a box of that size: it has a key of 32 bytes and a tag of 16 in addition. */
export const MAX_SEALED_BYTES = 196_560;

/** Where a box belongs: sealed for one run of one resource on one node, it opens nowhere else. */
export function sealingContext(
  to: Pick<Address, "clusterID" | "node" | "namespace" | "name" | "uid"> &
    Pick<Offer, "epoch" | "revision" | "rerun">,
): string {
  const { clusterID, node, namespace, name, uid, epoch, revision, rerun } = to;
  return JSON.stringify([clusterID, node, namespace, name, uid, epoch, revision, rerun]);
}
