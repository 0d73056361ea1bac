import { afterEach, beforeEach, expect, test } from "vitest";
import { AGENT_STEPS, type AgentStep } from "../../../src/agent/steps.ts";
import { EARLIER_BOOT, leaveAttempt } from "./left-by-an-agent.ts";
import { eventually, World } from "./world.ts";

let world: World;
let steps: AgentStep[];
beforeEach(() => {
  world = new World();
  steps = [];
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const recording = { reached: (step: AgentStep) => void steps.push(step) };

/** The steps that must come before others, whatever comes between them. */
function expectOrder(...expected: AgentStep[]): void {
  expect(steps.filter((step) => expected.includes(step))).toEqual(expected);
}

test("a command's steps come in the order that keeps the promises", async () => {
  await world.startReadyAgent({ steps: recording });
  await world.shell("echo out");
  await eventually(() => expect(steps).toContain("receipt.committed"));
  expectOrder("accepted.committing", "accepted.committed", "ack.sending", "ack.sent");
  expectOrder(
    "accepted.committed",
    "starting.committing",
    "starting.committed",
    "wrapper.spawning",
    "wrapper.spawned",
    "exit.noticed",
    "result.committing",
    "result.committed",
    "result.sending",
    "receipt.committing",
    "receipt.committed",
  );
  expectOrder("wrapper.spawned", "running.committing", "running.committed");
  expectOrder("result.committed", "spool.removed");
});

test("between them, a command that fails, one that is taken up and one that never started come by all steps", async () => {
  const work = { args: ["true"] };
  const retry = { limit: 1, backoffMs: 1, maxBackoffMs: 1 };
  await leaveAttempt(world, { work }, { state: "Starting" });
  const lost = { work, terms: { idempotent: true, retry } };
  await leaveAttempt(world, lost, { state: "Running", bootID: EARLIER_BOOT });
  await world.startReadyAgent({ steps: recording });
  await world.shell("exit 1", { terms: { retry } });
  await eventually(() => expect(new Set(steps)).toEqual(new Set(AGENT_STEPS)));
  expectOrder("reattachment.beginning", "neverStarted.committing", "neverStarted.committed");
});
