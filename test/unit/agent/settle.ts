import { settle as turn } from "../../support/fake-clock.ts";

/** Lets happen what waits for nothing but its turn, through a few commits of a ledger in memory. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 5; turns += 1) await turn();
}
