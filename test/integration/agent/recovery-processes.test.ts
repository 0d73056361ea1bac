import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Result } from "../../../src/protocol/result.ts";
import { ControllerSide, type Offer } from "../../unit/agent/controller-side.ts";
import { SecureBroker } from "../nats/secure-world.ts";
import { connected, type TestBus } from "../nats/world.ts";
import { AgentProcess } from "./agent-process.ts";
import { writeIdentity } from "./secure-agents.ts";
import { eventually, isAlive, runOf } from "./world.ts";

let dir: string;
let broker: SecureBroker;
let bus: TestBus;
let controller: ControllerSide;
let agents: AgentProcess[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "steward-agent-"));
  broker = await SecureBroker.start();
  bus = broker.controller();
  controller = new ControllerSide(bus);
  agents = [];
  await connected(bus);
  await writeIdentity(join(dir, "data"), broker);
});
afterEach(async () => {
  writeFileSync(join(dir, "go"), "");
  for (const agent of agents) await agent[Symbol.asyncDispose]();
  await bus.close();
  await broker[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

/** Starts an agent and waits until it takes commands. */
async function startAgent(): Promise<AgentProcess> {
  const before = controller.hellos.length;
  const agent = new AgentProcess(join(dir, "data"));
  agents.push(agent);
  await eventually(() => expect(controller.hellos.length).toBeGreaterThan(before));
  return agent;
}

function lines(name: string): string[] {
  const path = join(dir, name);
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
}

/** A command that notes its process, prints, goes on until the file `go` is there, and prints again. */
async function startCommand(offer: Offer = {}): Promise<{ runID: string; pid: number }> {
  const loop = `until [ -e ${dir}/go ]; do sleep 0.02; done`;
  const work = { args: [`echo $$ >> ${dir}/ran; echo begin; ${loop}; echo end`] };
  const { runID } = runOf(await controller.offer({ ...offer, work }));
  await eventually(() => expect(lines("ran")).toHaveLength(1));
  return { runID, pid: Number(lines("ran")[0]) };
}

function result(runID: string): Promise<Result> {
  return eventually(() => {
    const found = controller.results.find((one) => one.runID === runID);
    if (found === undefined) throw new Error("no result yet");
    return found;
  });
}

test.each([
  { signal: "SIGKILL", status: null },
  { signal: "SIGTERM", status: 0 },
] as const)(
  "a command outlives an agent that $signal ends, and is reported whole by the next one",
  async ({ signal, status }) => {
    const first = await startAgent();
    const { runID, pid } = await startCommand();
    expect(await first.end(signal)).toBe(status);
    expect(isAlive(pid)).toBe(true);
    await startAgent();
    await eventually(() =>
      expect(controller.hellos.at(-1)?.runs).toMatchObject([{ runID, state: "Running" }]),
    );
    writeFileSync(join(dir, "go"), "");
    expect(await result(runID)).toMatchObject({
      attempts: 1,
      result: { outcome: "Succeeded", exitCode: 0, stdout: { text: "begin\nend\n" } },
    });
    expect(lines("ran")).toHaveLength(1);
  },
);

test("its time-out is kept by the next agent, and by the one after that", async () => {
  const first = await startAgent();
  const { runID, pid } = await startCommand({ terms: { timeoutMs: 4_000 } });
  await first.end("SIGKILL");
  const second = await startAgent();
  await second.end("SIGKILL");
  await startAgent();
  const { result: end } = await result(runID);
  expect(end).toMatchObject({ outcome: "TimedOut", started: "True", stdout: { text: "begin\n" } });
  expect(isAlive(pid)).toBe(false);
});

test("it is withdrawn through the next agent", async () => {
  const first = await startAgent();
  const { runID, pid } = await startCommand();
  await first.end("SIGKILL");
  await startAgent();
  await eventually(async () => {
    const answer = await controller.withdraw();
    expect(answer).toMatchObject({ answer: "known", run: { runID } });
  });
  expect((await result(runID)).result).toMatchObject({ outcome: "Cancelled", started: "True" });
  expect(isAlive(pid)).toBe(false);
});

test("a command that ended while there was no agent is reported by the next one", async () => {
  const first = await startAgent();
  const { runID, pid } = await startCommand();
  await first.end("SIGKILL");
  writeFileSync(join(dir, "go"), "");
  await eventually(() => expect(isAlive(pid)).toBe(false));
  await startAgent();
  const { result: end } = await result(runID);
  expect(end).toMatchObject({ outcome: "Succeeded", stdout: { text: "begin\nend\n" } });
  expect(end.durationMs).toBeUndefined();
});
