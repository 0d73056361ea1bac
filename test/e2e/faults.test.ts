import { readdir, readFile } from "node:fs/promises";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { startOwnControlPlane, type OwnControlPlane } from "../support/control-plane.ts";
import { Fleet } from "../support/fleet.ts";
import { applyGated, expectRanOnce } from "../support/gate.ts";
import { recordedIn, timesRun } from "../support/truth.ts";

let plane: OwnControlPlane;
let fleet: Fleet;
beforeAll(async () => {
  plane = await startOwnControlPlane();
  fleet = await Fleet.start(plane, ["ship1", "ship2"]);
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await plane[Symbol.asyncDispose]();
});

describe("a command that runs while something is killed settles truthfully and has run once", () => {
  test("the controller, back before the command ends", async () => {
    const gate = await applyGated(fleet, "controller-back");
    await fleet.controller.stop("SIGKILL");
    await fleet.controller.start();
    await gate.open();
    await expectRanOnce(fleet, "controller-back");
  });

  test("the controller, back after the command has ended", async () => {
    const gate = await applyGated(fleet, "controller-late");
    await fleet.controller.stop("SIGKILL");
    await gate.open();
    const ended = async (): Promise<void> =>
      expect(await processesMentioning(fleet.truthPath("controller-late"))).toEqual([]);
    await vi.waitFor(ended, { timeout: 30_000, interval: 50 });
    await fleet.controller.start();
    await expectRanOnce(fleet, "controller-late");
  });

  test("the broker", async () => {
    const gate = await applyGated(fleet, "broker");
    await plane.components["nats-server"].kill9();
    await gate.open();
    await plane.components["nats-server"].restart();
    await expectRanOnce(fleet, "broker");
  });

  test("the API server", async () => {
    const gate = await applyGated(fleet, "api-server");
    await plane.components["kube-apiserver"].kill9();
    await gate.open();
    await plane.components["kube-apiserver"].restart();
    await expectRanOnce(fleet, "api-server");
  });

  test("all of the control plane at once", async () => {
    const gate = await applyGated(fleet, "everything");
    await fleet.controller.stop("SIGKILL");
    await plane.components["nats-server"].kill9();
    await plane.components["kube-apiserver"].kill9();
    await plane.components.etcd.kill9();
    await gate.open();
    await plane.components.etcd.restart();
    await plane.components["kube-apiserver"].restart();
    await plane.components["nats-server"].restart();
    await fleet.controller.start();
    await expectRanOnce(fleet, "everything");
  });

  test("the agent, back before the command ends", async () => {
    const gate = await applyGated(fleet, "agent", "ship2");
    await fleet.agent("ship2").stop("SIGKILL");
    await fleet.agent("ship2").start();
    await gate.open();
    await expectRanOnce(fleet, "agent");
  });

  test("the agent, back after the command has ended", async () => {
    const gate = await applyGated(fleet, "agent-away", "ship2");
    await fleet.agent("ship2").stop("SIGKILL");
    await gate.open();
    await vi.waitFor(
      async () => expect(await processesMentioning(fleet.truthPath("agent-away"))).toEqual([]),
      { timeout: 30_000, interval: 50 },
    );
    await fleet.agent("ship2").start();
    await expectRanOnce(fleet, "agent-away");
  });

  test("the agent, stopped in peace as for an upgrade", async () => {
    const gate = await applyGated(fleet, "agent-stopped", "ship2");
    await fleet.agent("ship2").stop("SIGTERM");
    await gate.open();
    await fleet.agent("ship2").start();
    await expectRanOnce(fleet, "agent-stopped");
  });
});

describe("a command that is declared while something is away is run once when it is back", () => {
  test("the controller", async () => {
    await fleet.controller.stop("SIGTERM");
    const truth = fleet.truthPath("declared-1");
    await fleet.apply("declared-1", {
      nodeName: "ship1",
      method: "shellcommand",
      args: [recordedIn(truth)],
    });
    await fleet.controller.start();
    expect(await fleet.completed("declared-1")).toMatchObject({ phase: "Succeeded" });
    expect(await timesRun(truth)).toBe(1);
  });

  test("the broker, as the status says meanwhile", async () => {
    await plane.components["nats-server"].kill9();
    const truth = fleet.truthPath("declared-2");
    await fleet.apply("declared-2", {
      nodeName: "ship1",
      method: "shellcommand",
      args: [recordedIn(truth)],
    });
    await vi.waitFor(
      async () => {
        const { run } = await fleet.status("declared-2");
        expect(run?.reason).toBe("BrokerUnavailable");
      },
      { timeout: 30_000, interval: 100 },
    );
    await plane.components["nats-server"].restart();
    expect(await fleet.completed("declared-2")).toMatchObject({ phase: "Succeeded" });
    expect(await timesRun(truth)).toBe(1);
  });

  test("twenty of them, with the controller killed again and again", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `burst-${index}`);
    const manifests = names.map((name, index) =>
      fleet.manifest(name, {
        nodeName: index % 2 === 0 ? "ship1" : "ship2",
        method: "shellcommand",
        args: [recordedIn(fleet.truthPath(name))],
      }),
    );
    const list = { apiVersion: "v1", kind: "List", items: manifests };
    await fleet.kubectl(["apply", "-f", "-"], JSON.stringify(list));
    for (let round = 0; round < 3; round += 1) {
      await fleet.controller.stop("SIGKILL");
      await fleet.controller.start();
      await fleet.completed(`burst-${round}`);
    }
    for (const name of names) {
      expect(await fleet.completed(name), name).toMatchObject({ phase: "Succeeded" });
      expect(await timesRun(fleet.truthPath(name)), name).toBe(1);
    }
  });
});

async function processesMentioning(text: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map(async (pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return lines.filter((line) => line.includes(text));
}
