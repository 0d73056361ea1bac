import { expect, test } from "vitest";
import { accountIn, findAccount } from "../../../src/agent/account.ts";

const PASSWD = [
  "root:x:0:0:root:/root:/bin/bash",
  "nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin",
  "bare:x:1000:1000:::",
  "broken:x:abc:1000::/:/bin/sh",
  "short:x:1001",
  "",
].join("\n");

test.each([
  ["root", { uid: 0, gid: 0, homedir: "/root", shell: "/bin/bash" }],
  ["nobody", { uid: 65_534, gid: 65_533, homedir: "/nonexistent", shell: "/bin/sh" }],
  ["bare", { uid: 1_000, gid: 1_000, homedir: "/", shell: "/bin/sh" }],
  ["broken", undefined],
  ["short", undefined],
  ["", undefined],
  ["0", undefined],
  ["roo", undefined],
])("the account of %j", (name, want) => {
  expect(accountIn(PASSWD, name)).toEqual(want && { username: name, ...want });
});

test("a user is looked up on the machine, and somebody that there is not is nobody", async () => {
  expect(await findAccount("root")).toMatchObject({ username: "root", uid: 0 });
  expect(await findAccount("no-such-user")).toBeUndefined();
});
