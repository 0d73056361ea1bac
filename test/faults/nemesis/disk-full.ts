import { open, rm } from "node:fs/promises";
import { join } from "node:path";

import { nodeOf, type World } from "../world.ts";
import type { Nemesis } from "./nemesis.ts";

const BLOCK_BYTES = 65_536;

/** Somebody else's file takes all the room that is left. */
export const diskFull: Nemesis = {
  name: "disk-full",
  inject: async (world, { target }) => fill(fillerOf(world, target)),
  heal: async (world, { target }) => rm(fillerOf(world, target), { force: true }),
};

function fillerOf(world: World, target: string): string {
  const { disk } = nodeOf(world, target);
  if (disk === undefined) throw new Error(`${target} has no disk of its own`);
  return join(disk.outside, "filler");
}

/** With big blocks, then with small ones: not a byte is left. */
async function fill(path: string): Promise<void> {
  await using file = await open(path, "a");
  for (const size of [BLOCK_BYTES, 1]) {
    const block = Buffer.alloc(size);
    while ((await file.write(block).catch(isFull)) !== false);
  }
}

function isFull(thrown: unknown): false {
  if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOSPC") return false;
  throw thrown;
}
