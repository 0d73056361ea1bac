import * as fc from "fast-check";
import { expect, test } from "vitest";

import { sequences, type Step } from "./steps.ts";
import { World } from "./world.ts";

const RUNS = Number(process.env["STEWARD_MODEL_RUNS"] ?? 60);
const STEPS = 80;

/** Does the steps in a new world, heals it, and tells what happened if a promise was broken. */
async function happen(sequence: readonly Step[]): Promise<void> {
  const world = await World.create();
  try {
    for (const step of sequence) await world.do(step);
    await world.heal();
  } catch (thrown) {
    throw new Error(`${String(thrown)}\n${world.trace.join("\n")}`, { cause: thrown });
  } finally {
    world.close();
  }
}

test("whatever happens, in whatever order: each run starts at most once, and all come to their end", async () => {
  let done = 0;
  const property = fc.asyncProperty(sequences(STEPS), async (sequence) => {
    await happen(sequence);
    done += 1;
  });
  await fc.assert(property, { numRuns: RUNS });
  expect(done).toBe(RUNS);
}, 3_600_000);
