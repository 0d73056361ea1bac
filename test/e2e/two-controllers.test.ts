import { readFile } from "node:fs/promises";

import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { sharedControlPlane } from "../support/control-plane.ts";
import { Fleet } from "../support/fleet.ts";
import { applyGated, expectRanOnce } from "../support/gate.ts";

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.start(sharedControlPlane(), ["ship1"], { controllers: 2 });
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

/** The two in the order of who leads: the first does. */
async function leaderFirst(): Promise<typeof fleet.controllers> {
  const led = await Promise.all(
    fleet.controllers.map(async ({ logPath }) => {
      const lines = (await readFile(logPath, "utf8")).split("\n");
      return lines.findLast((line) => line.includes("became the leader")) ?? "";
    }),
  );
  return fleet.controllers.toSorted((a, b) => {
    const [x, y] = [a, b].map((each) => timeOf(led[fleet.controllers.indexOf(each)] ?? ""));
    return (x ?? "") < (y ?? "") ? 1 : -1;
  });
}

function timeOf(line: string): string {
  return /"time":"([^"]+)"/.exec(line)?.[1] ?? "";
}

test("a leader that is stopped in peace hands over while a command runs", async () => {
  const [leader] = await leaderFirst();
  const holder = await fleet.leaseHolder();
  const gate = await applyGated(fleet, "clean-stop");
  expect(await leader?.stop("SIGTERM")).toEqual({ code: 0, signal: null });
  await fleet.leaseHolder(holder);
  await gate.open();
  await expectRanOnce(fleet, "clean-stop");
  await leader?.start();
});

test("a leader that is killed is replaced while a command runs", async () => {
  const [leader] = await leaderFirst();
  const holder = await fleet.leaseHolder();
  const gate = await applyGated(fleet, "killed");
  await leader?.stop("SIGKILL");
  await gate.open();
  await fleet.leaseHolder(holder);
  await expectRanOnce(fleet, "killed");
  await leader?.start();
});

test("a leader that sleeps through its lease does no harm when it wakes up, and ends", async () => {
  const [leader] = await leaderFirst();
  if (leader === undefined) throw new Error("nobody leads");
  const holder = await fleet.leaseHolder();
  const before = await applyGated(fleet, "asleep-before");
  await leader.signal("SIGSTOP");
  await fleet.leaseHolder(holder);
  await before.open();
  await expectRanOnce(fleet, "asleep-before");
  const during = await applyGated(fleet, "asleep-during");
  await leader.signal("SIGCONT");
  expect((await leader.exited).code).toBe(1);
  await during.open();
  await expectRanOnce(fleet, "asleep-during");
  const statuses = await Promise.all([
    fleet.status("asleep-before"),
    fleet.status("asleep-during"),
  ]);
  expect(statuses.map(({ phase }) => phase)).toEqual(["Succeeded", "Succeeded"]);
});

test("a standby is ready and its metrics say that it does not lead", async () => {
  const [, standby] = await leaderFirst();
  await standby?.stop("SIGKILL");
  await standby?.start();
  const address = await vi.waitFor(
    async () => {
      const log = await readFile(standby?.logPath ?? "", "utf8");
      const ports = [...log.matchAll(/"port":(\d+),"msg":"serving/g)];
      const port = ports.at(-1)?.[1];
      expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
      return `http://127.0.0.1:${port}`;
    },
    { timeout: 60_000, interval: 200 },
  );
  const metrics = await (await fetch(`${address}/metrics`)).text();
  expect(metrics).toContain('leader_election_master_status{name="steward-controller"} 0');
  expect(metrics).toMatch(/^steward_commands\{phase="Succeeded"\} [1-9]/m);
  expect((await fetch(`${address}/healthz`)).status).toBe(200);
});
