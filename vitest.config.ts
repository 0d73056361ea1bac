import { defineConfig } from "vitest/config";

// unit is pure and needs nothing. integration and e2e share one local control plane (real etcd, API
// server, controller manager and NATS) started by the global set-up.
export default defineConfig({
  test: {
    reporters: ["default"],
    projects: [
      // Pure code without module state: one environment for all files is several times quicker.
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], isolate: false } },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          globalSetup: ["test/support/global-setup.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: ["test/support/global-setup.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
