import { expect, test } from "vitest";

import { Semaphore } from "../../../src/runtime/semaphore.ts";
import { settle } from "../../support/fake-clock.ts";

test("so many tasks run at once, the others in their order, and one that fails lets the next one in", async () => {
  const semaphore = new Semaphore(2);
  const started: number[] = [];
  const ends = Array.from({ length: 5 }, () => Promise.withResolvers<number>());
  const results = ends.map(({ promise }, index) =>
    semaphore.run(() => {
      started.push(index);
      return promise;
    }),
  );
  await settle();
  expect(started).toEqual([0, 1]);
  ends[1]?.reject(new Error("failed"));
  await expect(results[1]).rejects.toThrow("failed");
  await settle();
  expect(started).toEqual([0, 1, 2]);
  for (const [index, { resolve }] of ends.entries()) resolve(index);
  expect(await Promise.all([results[0], results[2], results[3], results[4]])).toEqual([0, 2, 3, 4]);
  expect(started).toEqual([0, 1, 2, 3, 4]);
});
