import { z } from "zod";

/** The versions of the protocol that this build speaks. A message's version is part of its type. */
export const PROTOCOL = { min: 1, max: 1 } as const;

export const protocolRange = z.strictObject({ min: z.int().min(1), max: z.int().min(1) });
export type ProtocolRange = z.infer<typeof protocolRange>;

/** The newest version that both sides speak, or undefined. */
export function commonVersion(a: ProtocolRange, b: ProtocolRange): number | undefined {
  const newest = Math.min(a.max, b.max);
  return newest >= Math.max(a.min, b.min) ? newest : undefined;
}
