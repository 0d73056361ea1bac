import { ensureTestTool } from "../../dev/controlplane/binaries.ts";
import { startGuardian } from "../../dev/controlplane/guard.ts";
import type { TestTool } from "../../dev/controlplane/versions.ts";

/** For the hook that asks for a tool first: on a machine without it, it is built there. */
export const TOOL_BUILD_TIMEOUT_MS = 1_800_000;

/**
 * The path of a program that only tests need, which is built into the cache if it is nowhere. Test files that
 * ask for the same one at once may both build it; both end well.
 */
export async function testTool(name: TestTool): Promise<string> {
  await using guardian = await startGuardian();
  return await ensureTestTool(name, {
    guardian,
    env: process.env,
    signal: new AbortController().signal,
    progress: (line) => void process.stderr.write(`${line}\n`),
  });
}
