import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { FollowedKeys } from "../../../src/cli/controller-keys.ts";
import { createFileKeyStore } from "../../../src/cli/key-store-files.ts";
import {
  parseCommandKeys,
  serialiseCommandKeys,
  withNewCommandKey,
} from "../../../src/identity/command-keys.ts";
import { completeKeySets } from "../../../src/identity/key-sets.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";

let dir: string;
let keysDir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "steward-keys-"));
  keysDir = join(dir, "controller");
  const now = Date.now();
  await createFileKeyStore(dir).write(
    await completeKeySets(new Map(), { now, serverNames: ["localhost"] }),
  );
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function rotate(): Promise<void> {
  const path = join(keysDir, "command-keys.json");
  const rotated = withNewCommandKey(parseCommandKeys(await readFile(path, "utf8")));
  await writeFile(path, serialiseCommandKeys(rotated));
}

describe("the keys of a controller", () => {
  test("are read from the directory of its set", async () => {
    const { current } = await FollowedKeys.open(keysDir);
    expect(current.commandKeys.set).toEqual({ serial: 1, keys: [expect.stringMatching(/^U/)] });
    expect(current.commandKeys.signers.map(({ keyID }) => keyID)).toEqual(
      current.commandKeys.set.keys,
    );
    expect(current.account).toMatch(/^A/);
    expect(current.ownUsers).toHaveLength(2);
    expect(current.ca).toContain("BEGIN CERTIFICATE");
  });

  test.each(["node-signing.seed", "command-keys.json", "controller.jwt", "ca.crt"])(
    "are not without %s, which the error names with the way out",
    async (name) => {
      await rm(join(keysDir, name));
      await expect(FollowedKeys.open(keysDir)).rejects.toThrow(
        new RegExp(`--keys-dir: ${name} .*steward bootstrap`, "s"),
      );
    },
  );

  test("are refused when they are damaged, without a word of what is in them", async () => {
    const secret = `SU${"A".repeat(56)}`;
    await writeFile(join(keysDir, "operator-signing.seed"), secret);
    const opened = FollowedKeys.open(keysDir);
    await expect(opened).rejects.toThrow("--keys-dir: operator-signing.seed: ");
    await expect(opened).rejects.not.toThrow(secret);
  });

  test("are read again when they change, and stay as they were while they cannot be read", async () => {
    const keys = await FollowedKeys.open(keysDir);
    const [clock, logger, end] = [new FakeClock(), new RecordingLogger(), new AbortController()];
    const followed = keys.follow(end.signal, clock, logger);
    const path = join(keysDir, "command-keys.json");
    const good = await readFile(path, "utf8");
    await writeFile(path, "{}");
    await vi.waitFor(async () => {
      await clock.advance(10_000);
      expect(logger.lines.filter(({ level }) => level === "error")).toHaveLength(1);
    });
    expect(keys.current.commandKeys.set.serial).toBe(1);
    await writeFile(path, good);
    await rotate();
    await vi.waitFor(async () => {
      await clock.advance(10_000);
      expect(keys.current.commandKeys.set).toMatchObject({ serial: 2 });
    });
    expect(keys.current.commandKeys.signers).toHaveLength(2);
    end.abort();
    await followed;
  });
});
