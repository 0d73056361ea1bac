import { expect, test } from "vitest";
import { cgroupFolder } from "../../../src/agent/cgroup.ts";

const SYSTEMD = "0::/system.slice/steward.service\n";
const UNIFIED = "24 30 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
const HYBRID = [
  "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755",
  "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
  "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
].join("\n");

test.each([
  [
    "of a machine with version 2 only",
    UNIFIED,
    SYSTEMD,
    "/sys/fs/cgroup/system.slice/steward.service",
  ],
  ["of the root", UNIFIED, "0::/\n", "/sys/fs/cgroup/"],
  [
    "of a machine with both versions",
    HYBRID,
    "8:pids:/a\n4:memory:/b\n0::/c\n",
    "/sys/fs/cgroup/unified/c",
  ],
  [
    "of a container that sees its part of the tree",
    "24 30 0:22 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
    "0::/docker/1/agent\n",
    "/sys/fs/cgroup/agent",
  ],
  [
    "at a place with a space in its name",
    String.raw`24 30 0:22 / /cgroup\040two rw - cgroup2 cgroup rw`,
    "0::/a\n",
    "/cgroup two/a",
  ],
])("the folder of the agent's cgroup is found %s", (_, mountinfo, membership, folder) => {
  expect(cgroupFolder(mountinfo, membership)).toBe(folder);
});

test.each([
  ["version 1 only", "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw", "4:memory:/b\n"],
  ["version 2 not mounted", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw", "0::/\n"],
  [
    "another part of the tree mounted",
    "24 30 0:22 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw",
    "0::/docker/12\n",
  ],
  ["nothing at all", "", ""],
])("with %s there is none", (_, mountinfo, membership) => {
  expect(cgroupFolder(mountinfo, membership)).toBeUndefined();
});
