import type { EdgeNode, EdgeNodeStatus } from "../../api/v1alpha1/edgenode.ts";
import type { NodeEntry } from "./registry.ts";

export type Identity = NonNullable<EdgeNodeStatus["identity"]>;

/**
 * What an EdgeNode says of who its node is. A key that it names no more stays until it is revoked: what is written
 * here is how a controller knows that it has to be. Undefined: nothing.
 */
export function identityOf(
  { spec, status }: EdgeNode,
  entry: NodeEntry | undefined,
  isVoid: (publicKey: string) => boolean,
): Identity | undefined {
  const { publicKey } = spec;
  const { identity } = status;
  const isReplaced = identity !== undefined && identity.publicKey !== publicKey;
  if (isReplaced && !isVoid(identity.publicKey)) return identity;
  const kept = isReplaced ? undefined : identity;
  if (publicKey === undefined || entry?.hello === undefined || entry.publicKey !== publicKey) {
    return kept;
  }
  const { sealingKey, trustSerial } = entry.hello;
  const { trustSerial: _, ...rest } = kept ?? { publicKey };
  return { ...rest, sealingKey, ...(trustSerial === undefined ? {} : { trustSerial }) };
}
