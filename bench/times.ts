import type { Stage } from "./stage.ts";

const CREATORS = 32;

/** Does something `count` times, 32 at once. */
export async function times(
  { signal }: Pick<Stage, "signal">,
  count: number,
  one: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      signal.throwIfAborted();
      await one(next++);
    }
  };
  await Promise.all(Array.from({ length: CREATORS }, worker));
}
