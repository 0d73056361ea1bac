import { writeFile } from "node:fs/promises";

import { expect, vi } from "vitest";

import type { Fleet } from "./fleet.ts";
import { recordedIn, timesRun } from "./truth.ts";

/** A command that is under way until the test lets it end. */
export interface Gate {
  open(): Promise<void>;
}

/** Declares a command that waits for its gate and then says `done`; resolves when it really runs. */
export async function applyGated(fleet: Fleet, name: string, nodeName = "ship1"): Promise<Gate> {
  const gate = `${fleet.dir}/${name}.gate`;
  const truth = fleet.truthPath(name);
  const script = recordedIn(truth, `until [ -e ${gate} ]; do sleep 0.1; done; echo done`);
  await fleet.apply(name, { nodeName, method: "shellcommand", args: [script] });
  const isUnderWay = async (): Promise<void> => expect(await timesRun(truth)).toBe(1);
  await vi.waitFor(isUnderWay, { timeout: 60_000, interval: 50 });
  return { open: () => writeFile(gate, "") };
}

/** A gated command ended well, and its script says that it ran once. */
export async function expectRanOnce(fleet: Fleet, name: string): Promise<void> {
  expect(await fleet.completed(name)).toMatchObject({
    phase: "Succeeded",
    run: { started: "True", stdout: { text: "done\n" } },
  });
  expect(await timesRun(fleet.truthPath(name))).toBe(1);
}
