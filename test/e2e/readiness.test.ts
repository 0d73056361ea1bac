import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { run, type CommandResult } from "../../dev/controlplane/run.ts";
import { sharedControlPlane } from "../support/control-plane.ts";
import { Fleet, type Status } from "../support/fleet.ts";
import { kstatusOf, type Verdict } from "../support/kstatus.ts";
import { testTool, TOOL_BUILD_TIMEOUT_MS } from "../support/test-tools.ts";

interface Spec {
  readonly nodeName: string;
  readonly [field: string]: unknown;
}

let helm: string;
let fleet: Fleet;
beforeAll(async () => {
  helm = await testTool("helm");
  await kstatusOf([]);
  fleet = await Fleet.start(sharedControlPlane(), ["ship1"]);
}, TOOL_BUILD_TIMEOUT_MS);
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

function shell(script: string, more: object = {}): Spec {
  return { nodeName: "ship1", method: "shellcommand", args: [script], ...more };
}

/** `helm upgrade --install --wait` of a chart that is one EdgeCommand; the release has its name. */
async function helmInstall(name: string, spec: Spec, timeout: string): Promise<CommandResult> {
  const chart = join(fleet.dir, `chart-${name}`);
  await mkdir(join(chart, "templates"), { recursive: true });
  await writeFile(
    join(chart, "Chart.yaml"),
    JSON.stringify({ apiVersion: "v2", name, version: "1.0.0" }),
  );
  const manifest = JSON.stringify(fleet.manifest(name, spec));
  await writeFile(join(chart, "templates", "command.yaml"), manifest);
  const args = ["upgrade", "--install", name, chart, "--namespace", fleet.namespace];
  const env = { HOME: fleet.dir, KUBECONFIG: sharedControlPlane().kubeconfigPath };
  return run(helm, [...args, "--wait", "--timeout", timeout], { env });
}

/** As `helmInstall`; a helm that fails is an error. */
async function helmInstalled(name: string, spec: Spec): Promise<void> {
  const { code, stderr } = await helmInstall(name, spec, "60s");
  if (code !== 0) throw new Error(stderr);
}

/** What kstatus says of the command as it is in the cluster now. */
async function verdictOn(name: string): Promise<Verdict | undefined> {
  const object = JSON.parse(await fleet.kubectl(["get", "ec", name, "-o", "json"])) as object;
  return (await kstatusOf([object]))[0];
}

function condition(status: Status, type: string): string | undefined {
  return status.conditions?.find((each) => each.type === type)?.status;
}

/** A command that runs until its gate is opened. */
function gated(name: string, more: object = {}): { spec: Spec; open: () => Promise<void> } {
  const gate = join(fleet.dir, `${name}.gate`);
  const spec = shell(`until [ -e ${gate} ]; do sleep 0.1; done; echo through`, more);
  return { spec, open: () => writeFile(gate, "") };
}

describe("helm --wait", () => {
  test("succeeds with a command that succeeds, and not before it has", async () => {
    await helmInstalled("good", shell("sleep 2; echo ahoy"));
    expect(await fleet.status("good")).toMatchObject({ phase: "Succeeded" });
  });

  test("fails with a command that fails, as soon as it has, and shows how it ended", async () => {
    const result = await helmInstall("bad", shell("echo 'no such disk' >&2; exit 3"), "100s");
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(/status: Failed, message: It exited with 3/);
    expect(result.stderr).not.toContain("deadline exceeded");
    expect(await fleet.status("bad")).toMatchObject({ phase: "Failed" });
  });

  test("waits for a node that is not there until its own time is up", async () => {
    const result = await helmInstall("lonely", { ...shell("true"), nodeName: "absent" }, "5s");
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(/status: InProgress, message: .*no EdgeNode/);
    expect(result.stderr).toContain("deadline exceeded");
    expect(await fleet.status("lonely")).toMatchObject({ phase: "WaitingForNode" });
  });

  test("waits for what an edit runs, not for what ran before", async () => {
    await helmInstalled("edited", shell("echo one"));
    await helmInstalled("edited", shell("sleep 1; echo two"));
    expect(await fleet.status("edited")).toMatchObject({
      phase: "Succeeded",
      run: { declared: 2, stdout: { text: "two\n" } },
    });
  });
});

describe("readyWhen", () => {
  test("Succeeded, the default, waits for the end", async () => {
    const { spec, open } = gated("at-the-end");
    const early = await helmInstall("at-the-end", spec, "5s");
    expect(early.code).not.toBe(0);
    expect(early.stderr).toContain("deadline exceeded");
    expect(await verdictOn("at-the-end")).toMatchObject({ status: "InProgress" });
    await open();
    await helmInstalled("at-the-end", spec);
    expect(await verdictOn("at-the-end")).toMatchObject({ status: "Current" });
    expect(await fleet.status("at-the-end")).toMatchObject({ run: { declared: 1 } });
  });

  test("Accepted waits until the node has it, whatever becomes of it", async () => {
    const { spec, open } = gated("in-the-journal", {
      readyWhen: "Accepted",
      successExitCodes: [9],
    });
    await helmInstalled("in-the-journal", spec);
    const status = await fleet.status("in-the-journal");
    expect(condition(status, "Completed")).toBe("False");
    expect(await verdictOn("in-the-journal")).toMatchObject({ status: "Current" });
    await open();
    expect(await fleet.completed("in-the-journal")).toMatchObject({ phase: "Failed" });
    expect(await verdictOn("in-the-journal")).toMatchObject({ status: "Current" });
  });

  test("Accepted waits for a node that is not there, and fails with one that rejects it", async () => {
    const spec = shell("true", { readyWhen: "Accepted" });
    const lonely = await helmInstall("no-journal", { ...spec, nodeName: "absent" }, "5s");
    expect(lonely.code).not.toBe(0);
    expect(lonely.stderr).toContain("deadline exceeded");
    const rejected = await helmInstall("rejected", { ...spec, method: "teleport" }, "100s");
    expect(rejected.code).not.toBe(0);
    expect(rejected.stderr).toMatch(/status: Failed, message: .*teleport/);
  });

  test("Declared waits for the controller alone", async () => {
    const spec = { ...shell("true", { readyWhen: "Declared" }), nodeName: "absent" };
    await helmInstalled("declared", spec);
    expect(await fleet.status("declared")).toMatchObject({ phase: "WaitingForNode" });
    expect(await verdictOn("declared")).toMatchObject({ status: "Current" });
  });
});

/** `kubectl wait` for conditions, each in its own call; the exit code of each. */
async function waitFor(name: string, conditions: readonly string[]): Promise<number[]> {
  const codes: number[] = [];
  for (const each of conditions) {
    const args = ["wait", `--for=condition=${each}`, `ec/${name}`, "--timeout=30s"];
    codes.push((await fleet.tryKubectl(args)).code);
  }
  return codes;
}

describe("kubectl wait", () => {
  test("ends with any of Completed, Succeeded and Ready when a command succeeds", async () => {
    await fleet.apply("waited", shell("sleep 1"));
    expect(await waitFor("waited", ["Completed", "Succeeded", "Ready"])).toEqual([0, 0, 0]);
    expect(await fleet.status("waited")).toMatchObject({ phase: "Succeeded" });
  });

  test("ends with Completed, and with Succeeded and Ready being false, when a command fails", async () => {
    await fleet.apply("failing", shell("exit 3"));
    const conditions = ["Completed", "Succeeded=False", "Ready=False", "Stalled"];
    expect(await waitFor("failing", conditions)).toEqual([0, 0, 0, 0]);
    const args = ["wait", "--for=condition=Ready", "ec/failing", "--timeout=1s"];
    expect(await fleet.tryKubectl(args)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("timed out"),
    });
  });

  test("takes no condition of before an edit for one of after it", async () => {
    await fleet.apply("again", shell("echo one"));
    await waitFor("again", ["Ready"]);
    await fleet.apply("again", shell("sleep 1; echo two"));
    expect(await waitFor("again", ["Ready"])).toEqual([0]);
    expect(await fleet.status("again")).toMatchObject({
      run: { declared: 2, stdout: { text: "two\n" } },
    });
  });
});
