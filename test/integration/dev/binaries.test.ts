import { mkdir, readFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";

import { expect, test } from "vitest";

import {
  ensureBinaries,
  ensureTestTool,
  MissingBinariesError,
} from "../../../dev/controlplane/binaries.ts";
import { cachedPath, findBinary } from "../../../dev/controlplane/find-binary.ts";
import { startGuardian } from "../../../dev/controlplane/guard.ts";
import {
  binarySources,
  binaryNames,
  formatVersion,
  pinnedModule,
  testToolNames,
} from "../../../dev/controlplane/versions.ts";
import { filesUnder, makeScratch, startCommand, writeProgram } from "./world.ts";

const pinned = { major: 1, minor: 37, patch: 2 };
const { signal } = new AbortController();

const fakeKubectl = (version: string): string =>
  `echo '{"clientVersion": {"gitVersion": "${version}"}}'`;

test("a kubectl of another version on PATH is passed over for the one in the cache", async () => {
  await using scratch = await makeScratch();
  const env = { PATH: join(scratch.path, "bin"), XDG_CACHE_HOME: join(scratch.path, "cache") };
  const other = await writeProgram(join(env.PATH, "kubectl"), fakeKubectl("v1.32.4"));
  const cached = await writeProgram(cachedPath("kubectl", pinned, env), "exit 1");
  expect(await findBinary("kubectl", pinned, { env, signal })).toEqual({
    path: cached,
    rejected: [`${other} is v1.32.4`],
  });
});

test("KUBEBUILDER_ASSETS goes before PATH, and any patch of the pinned minor will do", async () => {
  await using scratch = await makeScratch();
  const env = { PATH: join(scratch.path, "bin"), KUBEBUILDER_ASSETS: join(scratch.path, "assets") };
  const asset = await writeProgram(join(env.KUBEBUILDER_ASSETS, "kubectl"), fakeKubectl("v1.37.0"));
  await writeProgram(join(env.PATH, "kubectl"), fakeKubectl("v1.37.2"));
  const found = await findBinary("kubectl", pinned, { env, signal });
  expect(found).toEqual({ path: asset, rejected: [] });
});

test("what is no program, or tells no version, is passed over", async () => {
  await using scratch = await makeScratch();
  const silent = await writeProgram(join(scratch.path, "silent", "kubectl"), "exit 3");
  const directory = join(scratch.path, "directory", "kubectl");
  await mkdir(directory, { recursive: true });
  const good = await writeProgram(join(scratch.path, "good", "kubectl"), fakeKubectl("v1.37.9"));
  const env = { PATH: [directory, silent, good].map((path) => dirname(path)).join(delimiter) };
  expect(await findBinary("kubectl", pinned, { env, signal })).toEqual({
    path: good,
    rejected: [`${silent} does not tell its version`],
  });
});

test("without binaries and without Go an error says what is missing and what to do", async () => {
  await using scratch = await makeScratch();
  const env = { PATH: "", XDG_CACHE_HOME: scratch.path, KUBEBUILDER_ASSETS: "" };
  await using command = startCommand(["--build-only"], scratch.path, env);
  expect(await command.exited).toMatchObject({ code: 1 });
  const { goVersion } = await pinnedModule(binarySources.etcd);
  const stderr = await command.stderr;
  expect(stderr).toMatch(/^Missing: etcd v[\d.]+, nats-server v[\d.]+, kube-apiserver v[\d.]+/m);
  expect(stderr).toContain(`Install Go ${goVersion} or newer`);
  expect(stderr).toContain("Or set KUBEBUILDER_ASSETS");
  expect(stderr).not.toContain("    at ");
});

test("the error names what was found in another version", async () => {
  await using scratch = await makeScratch();
  await using guardian = await startGuardian();
  const env = { PATH: scratch.path, XDG_CACHE_HOME: scratch.path };
  const other = await writeProgram(join(scratch.path, "kubectl"), fakeKubectl("v1.32.4"));
  const attempt = ensureBinaries({ guardian, env, signal, progress: () => undefined });
  await expect(attempt).rejects.toThrow(MissingBinariesError);
  await expect(attempt).rejects.toThrow(`${other} is v1.32.4`);
});

/**
 * A stand-in for the Go command: "builds" a program that tells the pinned version, after two builds have
 * begun and left a file in the meeting place.
 */
async function fakeGo(meeting: string): Promise<string> {
  const [etcd, nats, kubernetes, kstatus, helm] = await Promise.all(
    (["etcd", "nats-server", "kubectl", "kstatus", "helm"] as const).map(async (name) =>
      formatVersion((await pinnedModule(binarySources[name])).version),
    ),
  );
  return `
: > "${meeting}/$$"
until (set -- "${meeting}"/*; [ $# -ge 2 ]); do /bin/sleep 0.01; done
while [ "$1" != -o ]; do shift; done
/bin/cat > "$2" <<'END'
#!/bin/sh
case "$0" in
  *nats-server*) echo "nats-server: ${nats}" ;;
  *etcd*) echo "etcd Version: ${etcd?.slice(1)}" ;;
  *kubectl*) echo '{"gitVersion": "${kubernetes}"}' ;;
  *kstatus*) echo "kstatus ${kstatus}" ;;
  *helm*) echo "${helm}" ;;
  *) echo "Kubernetes ${kubernetes}" ;;
esac
END
/bin/chmod 755 "$2"`;
}

/** An environment whose Go command is the stand-in, and whose cache is empty. */
async function withFakeGo(directory: string): Promise<{ PATH: string; XDG_CACHE_HOME: string }> {
  const env = { PATH: join(directory, "bin"), XDG_CACHE_HOME: join(directory, "cache") };
  const meeting = join(directory, "meeting");
  await mkdir(meeting);
  await writeProgram(join(env.PATH, "go"), await fakeGo(meeting));
  return env;
}

test("two builds at once into the same cache both end well", async () => {
  await using scratch = await makeScratch();
  const env = await withFakeGo(scratch.path);
  const lines: string[] = [];
  const build = async (): ReturnType<typeof ensureBinaries> => {
    await using guardian = await startGuardian();
    return await ensureBinaries({ guardian, env, signal, progress: (line) => lines.push(line) });
  };
  const [one, other] = await Promise.all([build(), build()]);
  expect(one).toEqual(other);
  expect((await filesUnder(env.XDG_CACHE_HOME)).toSorted()).toEqual([...binaryNames].toSorted());
  expect(lines).toHaveLength(4 * binaryNames.length);
  expect(lines[0]).toMatch(/^building etcd v[\d.]+ from its Go module \(about .* once\)\.\.\.$/);
  expect(await readFile(one.kubectl, "utf8")).toContain("#!/bin/sh");
  await build();
  expect(lines).toHaveLength(4 * binaryNames.length);
});

test.each(testToolNames)("two builds at once of %s alone both end well", async (name) => {
  await using scratch = await makeScratch();
  const env = await withFakeGo(scratch.path);
  const lines: string[] = [];
  const context = { env, signal, progress: (line: string): unknown => lines.push(line) };
  const build = async (): Promise<string> => {
    await using guardian = await startGuardian();
    return await ensureTestTool(name, { ...context, guardian });
  };
  const path = cachedPath(name, (await pinnedModule(binarySources[name])).version, env);
  expect(await Promise.all([build(), build()])).toEqual([path, path]);
  expect(await filesUnder(env.XDG_CACHE_HOME)).toEqual([name]);
  expect(lines).toHaveLength(4);
  expect(await build()).toBe(path);
  expect(lines).toHaveLength(4);
});

test("a build that fails shows what Go said and leaves nothing in the cache", async () => {
  await using scratch = await makeScratch();
  const env = { PATH: join(scratch.path, "bin"), XDG_CACHE_HOME: join(scratch.path, "cache") };
  await writeProgram(join(env.PATH, "go"), 'echo "go: no space left on device"; exit 1');
  await using guardian = await startGuardian();
  const attempt = ensureBinaries({ guardian, env, signal, progress: () => undefined });
  await expect(attempt).rejects.toThrow("no space left on device");
  expect(await filesUnder(env.XDG_CACHE_HOME)).toEqual([]);
});
