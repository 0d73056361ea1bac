import { fileURLToPath } from "node:url";

import { expect, test } from "vitest";

import { run } from "../../dev/controlplane/run.ts";

const program = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

/** Every number in a JSON value, by its path. */
function numbers(value: unknown, path = "report"): [string, unknown][] {
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => numbers(inner, `${path}.${key}`));
  }
  // What is not finite is null in JSON.
  return typeof value === "number" || value === null ? [[path, value]] : [];
}

test("the short form of the benchmark ends by itself and prints one object of finite figures", async () => {
  const args = [program, "roundtrip", "--short", "--json"];
  const { code, stdout, stderr } = await run(process.execPath, args, { env: process.env });
  expect(code, stderr).toBe(0);
  const report = JSON.parse(stdout) as Record<string, number>;
  expect(report).toMatchObject({
    throughputRatio: expect.any(Number),
    p50Ratio: expect.any(Number),
    ackRatio: expect.any(Number),
    statusWritesPerCommand: expect.any(Number),
    controllerCpuMsPerCommand: expect.any(Number),
  });
  for (const [path, value] of numbers(report)) expect(value, path).toSatisfy(Number.isFinite);
  expect(report["statusWritesPerCommand"]).toBeGreaterThanOrEqual(1);
}, 300_000);

test("the short form of the recovery benchmark ends by itself and prints one object of finite figures", async () => {
  const args = [program, "recovery", "--short", "--json", "--samples", "10"];
  const { code, stdout, stderr } = await run(process.execPath, args, { env: process.env });
  expect(code, stderr).toBe(0);
  const report = JSON.parse(stdout) as Record<string, unknown>;
  expect(report).toMatchObject({
    held: 20,
    results: { overBare: expect.any(Number) },
    commands: { overBare: expect.any(Number) },
    journal: { commitsPerCommand: expect.any(Number) },
  });
  for (const [path, value] of numbers(report)) expect(value, path).toSatisfy(Number.isFinite);
}, 300_000);

test("the short form of the identity benchmark ends by itself and prints one object of positive figures", async () => {
  const args = [program, "identity", "--short", "--json"];
  const { code, stdout, stderr } = await run(process.execPath, args, { env: process.env });
  expect(code, stderr).toBe(0);
  const report = JSON.parse(stdout) as Record<string, unknown>;
  expect(report).toMatchObject({
    envelopes: { command: {}, ack: {}, result: {}, receipt: {} },
    perCommand: { signUs: expect.any(Number), verifyUs: expect.any(Number) },
    sealing: { sealUs: expect.any(Number), unsealUs: expect.any(Number) },
    minting: { jwts: 50, ms: expect.any(Number) },
    reconnect: {
      nodes: 50,
      overPlain: {
        returnMs: expect.any(Number),
        brokerCpuMsPerNode: expect.any(Number),
        clientCpuMsPerNode: expect.any(Number),
      },
    },
  });
  for (const [path, value] of numbers(report)) {
    // Nobody else may have used the machine.
    if (path.endsWith(".foreignCpuShare")) expect(value, path).toBeGreaterThanOrEqual(0);
    else expect(value, path).toBeGreaterThan(0);
  }
}, 300_000);
