import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { expect, test } from "vitest";

import { startGuardian } from "../../dev/controlplane/guard.ts";
import { agentProcess, controllerProcess } from "../../dev/fleet.ts";
import { startOwnControlPlane } from "../support/control-plane.ts";

function example(name: string): string {
  return fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
}

test("the rights in examples/rbac are all that a controller needs", async () => {
  await using plane = await startOwnControlPlane();
  await using guardian = await startGuardian();
  const kubectl = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await plane.kubectl(args);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    return stdout;
  };
  await kubectl("create", "namespace", "steward");
  await kubectl("create", "serviceaccount", "controller", "-n", "steward");
  await kubectl("apply", "-f", example("rbac/controller.yaml"));
  const token = (await kubectl("create", "token", "controller", "-n", "steward")).trim();
  const kubeconfigPath = await plane.writeKubeconfig({ user: "controller", token });

  const { natsUrl, keysDir } = plane;
  const access = { guardian, kubeconfigPath, natsUrl, keysDir };
  const flags = ["--lease-namespace", "steward", "--log-level", "debug"];
  const controller = await controllerProcess("controller", access, flags).start();
  const admin = { ...access, kubeconfigPath: plane.kubeconfigPath };
  const agent = await (await agentProcess("ship1", admin, ["--hello-interval", "1s"])).start();
  const apply = async (name: string, args: string, more: object = {}): Promise<void> => {
    const spec = { nodeName: "ship1", method: "shellcommand", args: [args], ...more };
    const manifest = {
      apiVersion: "steward.dev/v1alpha1",
      kind: "EdgeCommand",
      metadata: { name },
      spec,
    };
    const applied = await plane.kubectl(["apply", "-f", "-"], { stdin: JSON.stringify(manifest) });
    expect(applied.code).toBe(0);
  };
  await apply("good", "true");
  await apply("bad", "exit 3");
  await kubectl("wait", "--for=condition=Completed", "ec", "--all", "--timeout=60s");
  await kubectl("apply", "-f", example("secrets/report.yaml"));
  const report = "jsonpath={.status.run.reason}: {.status.run.stdout.text}";
  await expect
    .poll(() => kubectl("get", "ec", "report-ship1", "-o", report), { timeout: 30_000 })
    .toContain("InputForbidden");
  await kubectl("apply", "-f", example("rbac/secrets-reader.yaml"));
  await kubectl("wait", "--for=condition=Completed", "ec/report-ship1", "--timeout=90s");
  expect(await kubectl("get", "ec", "report-ship1", "-o", report)).toBe(
    "Completed: to https://reports.example.com: a token of 18 characters, a password of 21\n",
  );
  await apply("removed", "true", { ttlAfterFinished: "1s" });
  await kubectl("wait", "--for=delete", "ec", "removed", "--timeout=60s");
  await expect
    .poll(() => kubectl("get", "events.events.k8s.io", "-o", "name"), { timeout: 20_000 })
    .not.toBe("");
  await agent.stop("SIGTERM");
  expect(await controller.stop("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(await readFile(controller.logPath, "utf8")).not.toMatch(/forbidden|Forbidden|"code":403/);
});
