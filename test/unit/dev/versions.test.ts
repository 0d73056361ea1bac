import { readFile } from "node:fs/promises";

import { describe, expect, test } from "vitest";

import {
  binaryNames,
  binarySources,
  formatVersion,
  isSameMinor,
  moduleDirectory,
  parseGoMod,
  parseVersion,
  pinnedModule,
  testToolNames,
} from "../../../dev/controlplane/versions.ts";

describe("the version that a program tells", () => {
  test.each([
    { name: "etcd", prints: "etcd Version: 3.7.3\nGit SHA: Not provided\n", want: "v3.7.3" },
    { name: "nats-server", prints: "nats-server: v2.15.2\n", want: "v2.15.2" },
    { name: "kube-apiserver", prints: "Kubernetes v1.37.2\n", want: "v1.37.2" },
    { name: "kube-controller-manager", prints: "Kubernetes v1.37.0-rc.1\n", want: "v1.37.0" },
    {
      name: "kubectl",
      prints: '{"clientVersion": {"major": "1", "gitVersion": "v1.32.4-dispatcher"}}',
      want: "v1.32.4",
    },
    { name: "kstatus", prints: "kstatus v1.2.2\n", want: "v1.2.2" },
    { name: "helm", prints: "v4.3.1", want: "v4.3.1" },
    { name: "helm", prints: "v3.22.0+gabcdef0", want: "v3.22.0" },
  ] as const)("is read from the output of $name", ({ name, prints, want }) => {
    const version = parseVersion(prints, binarySources[name].versionPattern);
    expect(version && formatVersion(version)).toBe(want);
  });

  test("is unknown when a program prints something else", () => {
    expect(parseVersion("usage: etcd", binarySources.etcd.versionPattern)).toBeUndefined();
  });

  test("fits when major and minor are the pinned ones", () => {
    const pinned = { major: 1, minor: 37, patch: 2 };
    expect(isSameMinor(pinned, { major: 1, minor: 37, patch: 0 })).toBe(true);
    expect(isSameMinor(pinned, { major: 1, minor: 36, patch: 2 })).toBe(false);
    expect(isSameMinor(pinned, { major: 2, minor: 37, patch: 2 })).toBe(false);
  });
});

describe("the pinned version", () => {
  test.each([
    { form: "in a block", line: "require (\n\texample.org/a v1.2.3\n)" },
    {
      form: "as an indirect requirement",
      line: "require (\n\texample.org/a v1.2.3 // indirect\n)",
    },
    { form: "on a line of its own", line: "require example.org/a v1.2.3" },
  ])("is read from a go.mod that has it $form", ({ line }) => {
    const text = `module example.org/m\n\ngo 1.26.0\n\n${line}\n`;
    expect(parseGoMod(text, "example.org/a")).toEqual({
      version: { major: 1, minor: 2, patch: 3 },
      goVersion: "1.26.0",
    });
  });

  test("is not that of a module with a longer name", () => {
    const text = "go 1.26.0\nrequire example.org/a/b v1.2.3\n";
    expect(() => parseGoMod(text, "example.org/a")).toThrow("go.mod does not pin example.org/a");
  });

  test.each([...binaryNames, ...testToolNames])(
    "of %s is in a go.mod of this repository",
    async (name) => {
      const { version, goVersion } = await pinnedModule(binarySources[name]);
      expect(version.major).toBeGreaterThan(0);
      expect(goVersion).toMatch(/^1\.\d+/);
    },
  );

  test("of kstatus is the one by which the pinned helm waits", async () => {
    const { kstatus, helm } = binarySources;
    const goMod = await readFile(`${moduleDirectory(helm)}/go.mod`, "utf8");
    const { version } = await pinnedModule(kstatus);
    expect(parseGoMod(goMod, kstatus.module).version).toEqual(version);
  });
});
