import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import type { StewardProcess } from "../../dev/fleet.ts";
import { AGENT_STEPS, type AgentStep } from "../../src/agent/steps.ts";
import { CONTROLLER_STEPS } from "../../src/controller/steps.ts";
import { sharedControlPlane } from "../support/control-plane.ts";
import { Fleet } from "../support/fleet.ts";
import { resurrect } from "../support/resurrection.ts";
import { recordedIn, timesRun } from "../support/truth.ts";

const crashing = fileURLToPath(new URL("../support/crashing.ts", import.meta.url));

/** Has a process started again whenever it has killed itself, while something goes on. */
async function whileRising(process: StewardProcess, work: () => Promise<void>): Promise<void> {
  const over = new AbortController();
  const rising = resurrect(process, over.signal);
  try {
    await work();
  } finally {
    over.abort();
    await rising;
  }
}

async function untilDiedOf(step: string, marks: string): Promise<void> {
  const hasDied = (): void => expect(existsSync(join(marks, `died-of-${step}`))).toBe(true);
  await vi.waitFor(hasDied, { timeout: 30_000, interval: 50 });
}

/** A first attempt that fails and a second that does not. */
function failsOnce(truth: string): string {
  return recordedIn(truth, `sleep 0.2; [ "$(wc -l < ${truth})" -gt 1 ] && echo done`);
}

describe("an agent that is killed", () => {
  /** What only an agent comes by that takes up what another has left: that one died here. */
  const DIED_BEFORE: Partial<Record<AgentStep, AgentStep>> = {
    "reattachment.beginning": "wrapper.spawned",
    "neverStarted.committing": "wrapper.spawning",
    "neverStarted.committed": "wrapper.spawning",
  };

  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start(sharedControlPlane(), []);
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  test.each(AGENT_STEPS)("at %s makes each attempt once, and reports it", async (step) => {
    const name = step.toLowerCase().replace(".", "-");
    const marks = join(fleet.dir, `${name}.marks`);
    const deadly = [DIED_BEFORE[step], step].filter((each) => each !== undefined).join(",");
    const agent = await fleet.addAgent(name, [crashing, marks, deadly]);
    const truth = fleet.truthPath(name);
    await whileRising(agent, async () => {
      await fleet.apply(name, {
        nodeName: name,
        method: "shellcommand",
        args: [failsOnce(truth)],
        retry: { limit: 1, backoff: "300ms" },
      });
      expect(await fleet.completed(name)).toMatchObject({
        phase: "Succeeded",
        run: { started: "True", attempts: 2, stdout: { text: "done\n" } },
      });
      // The last steps come after the end is in etcd.
      await untilDiedOf(step, marks);
      expect(await timesRun(truth)).toBe(2);
    });
    await agent.stop("SIGKILL");
  });
});

describe("a controller that is killed", () => {
  test.each(CONTROLLER_STEPS)("at %s loses nothing, and runs nothing twice", async (step) => {
    const controllerProgram = (dir: string): string[] => [crashing, join(dir, "marks"), step];
    await using fleet = await Fleet.start(sharedControlPlane(), [], { controllerProgram });
    await whileRising(fleet.controller, async () => {
      await fleet.addAgent("ship1");
      await fleet.untilReady("True", ["ship1"]);
      const common = { nodeName: "ship1", method: "shellcommand" };
      const script = (name: string, then: string): string[] => [
        recordedIn(fleet.truthPath(name), then),
      ];
      await fleet.apply("quick", { ...common, args: script("quick", "echo done") });
      await fleet.apply("kept-shortly", {
        ...common,
        args: script("kept-shortly", "true"),
        ttlAfterFinished: "1s",
      });
      await fleet.apply("cancelled", { ...common, args: script("cancelled", "sleep 600") });
      await vi.waitFor(async () => expect(await timesRun(fleet.truthPath("cancelled"))).toBe(1), {
        timeout: 60_000,
        interval: 50,
      });
      await fleet.kubectl(["patch", "ec/cancelled", "--type=merge", '-p={"spec":{"cancel":true}}']);
      expect(await fleet.completed("quick")).toMatchObject({ phase: "Succeeded" });
      expect(await fleet.completed("cancelled")).toMatchObject({
        phase: "Cancelled",
        run: { started: "True" },
      });
      await fleet.kubectl(["wait", "--for=delete", "ec/kept-shortly", "--timeout=60s"]);
      await untilDiedOf(step, join(fleet.dir, "marks"));
      for (const name of ["quick", "kept-shortly", "cancelled"]) {
        expect(await timesRun(fleet.truthPath(name)), name).toBe(1);
      }
    });
  });
});
