import { expect, vi } from "vitest";

/**
 * Waits until what is created now is younger than that moment: times of creation have whole seconds, and what is created
 * in the second in which a ledger was first heard of counts as older than it.
 */
export async function pastTheSecondOf(time: string | undefined): Promise<void> {
  const next = Math.floor(Date.parse(time ?? "") / 1_000) * 1_000 + 1_000;
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(next), {
    timeout: 60_000,
    interval: 50,
  });
}
