import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CredentialSource } from "../../../src/kubernetes/credentials.ts";
import { sameTls, type Credentials } from "../../../src/kubernetes/kubeconfig.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";

// No API server here, but the whole of client-node, which takes too long to load for a unit test.

let directory = "";
let clock: FakeClock;
let logger: RecordingLogger;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "steward-credentials-"));
  clock = new FakeClock();
  logger = new RecordingLogger();
});

afterEach(() => rm(directory, { recursive: true }));

async function put(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

interface Parts {
  readonly user: object;
  readonly cluster?: object;
  readonly currentContext?: string;
  readonly context?: object;
}

/** A kubeconfig (JSON is YAML) with a second context for another cluster. */
async function kubeconfig({ user, cluster, currentContext, context }: Parts): Promise<string> {
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": currentContext ?? "ours",
    clusters: [
      { name: "ours", cluster: { server: "https://ours.example:6443/prefix/", ...cluster } },
      { name: "other", cluster: { server: "https://other.example" } },
    ],
    contexts: [
      { name: "ours", context: { cluster: "ours", user: "us", ...context } },
      { name: "other", context: { cluster: "other", user: "them" } },
    ],
    users: [
      { name: "us", user },
      { name: "them", user: { token: "theirs" } },
    ],
  };
  return put("kubeconfig", JSON.stringify(config));
}

async function load(kubeconfigPath: string): Promise<CredentialSource> {
  return CredentialSource.load({ kubeconfigPath, clock, logger });
}

function authorization({ headers }: Credentials): string | undefined {
  return headers["authorization"];
}

describe("a service account, as a pod has it", () => {
  test("its token file is read again within a minute, its line end left out", async () => {
    const tokenFile = await put("token", "first\n");
    const user = { "auth-provider": { name: "tokenFile", config: { tokenFile } } };
    const source = await load(await kubeconfig({ user }));
    expect(authorization(await source.current())).toBe("Bearer first");
    await put("token", "second\n");
    await clock.advance(59_999);
    expect(authorization(await source.current())).toBe("Bearer first");
    await clock.advance(1);
    expect(authorization(await source.current())).toBe("Bearer second");
  });

  test("a CA that was replaced on disk is noticed within a minute", async () => {
    const caFile = await put("ca.crt", "first");
    const cluster = { "certificate-authority": caFile };
    const source = await load(await kubeconfig({ user: { token: "t" }, cluster }));
    const before = await source.current();
    await clock.advance(60_000);
    expect(sameTls(before.tls, (await source.current()).tls)).toBe(true);
    await put("ca.crt", "second");
    await clock.advance(60_000);
    const after = await source.current();
    expect(sameTls(before.tls, after.tls)).toBe(false);
    expect(String(after.tls.ca)).toBe("second");
  });
});

describe("after a 401", () => {
  test("credentials are read again at once, once for all who ask", async () => {
    const source = await load(await kubeconfig({ user: { token: "first" } }));
    const rejected = await source.current();
    await kubeconfig({ user: { token: "second" } });
    const renewed = await Promise.all([source.renew(rejected), source.renew(rejected)]);
    expect(renewed.map((each) => each && authorization(each))).toEqual([
      "Bearer second",
      "Bearer second",
    ]);
    // Who comes late with the old ones gets the new ones without another reading.
    expect(await source.renew(rejected)).toBe(renewed[0]);
  });

  test("wrong credentials are not read again and again", async () => {
    const source = await load(await kubeconfig({ user: { token: "wrong" } }));
    const first = await source.renew(await source.current());
    expect(first).toBeDefined();
    expect(first && (await source.renew(first))).toBeUndefined();
    await clock.advance(5_000);
    expect(first && (await source.renew(first))).toBeDefined();
  });

  test("what cannot be read leaves the last credentials in place and is logged", async () => {
    const path = await kubeconfig({ user: { token: "good" } });
    const source = await load(path);
    await rm(path);
    const renewed = await source.renew(await source.current());
    expect(renewed && authorization(renewed)).toBe("Bearer good");
    expect(logger.lines.map(({ level }) => level)).toEqual(["warn"]);
  });
});

test("a later change of context moves nobody to another cluster", async () => {
  const source = await load(await kubeconfig({ user: { token: "ours" } }));
  await kubeconfig({ user: { token: "ours, renewed" }, currentContext: "other" });
  await clock.advance(60_000);
  expect(authorization(await source.current())).toBe("Bearer ours, renewed");
  expect(source.address.server).toBe("https://ours.example:6443/prefix");
});

test("an exec plugin runs once, not every minute", async () => {
  const runs = join(directory, "runs");
  const credential = { kind: "ExecCredential", status: { token: "made" } };
  const script = `echo run >> ${runs}; echo '${JSON.stringify(credential)}'`;
  const exec = { command: "/bin/sh", args: ["-c", script] };
  const source = await load(await kubeconfig({ user: { exec } }));
  for (let minute = 0; minute < 3; minute += 1) {
    expect(authorization(await source.current())).toBe("Bearer made");
    await clock.advance(60_000);
  }
  expect(await readFile(runs, "utf8")).toBe("run\n");
});

test("an exec plugin that hangs does not hang the program", async () => {
  const hanging = await put("hanging", "");
  const credential = { kind: "ExecCredential", status: { token: "made" } };
  // While the file is there the plugin waits for it to go.
  const script = `while [ -e ${hanging} ]; do sleep 0.05; done; echo '${JSON.stringify(credential)}'`;
  const exec = { command: "/bin/sh", args: ["-c", script] };
  const path = await kubeconfig({ user: { exec } });
  const loading = load(path);
  const failed = expect(loading).rejects.toThrow("no credentials within");
  await clock.advance(20_000);
  await failed;
  await rm(hanging);
  expect(authorization(await (await load(path)).current())).toBe("Bearer made");
});

test("user name and password, client certificate and namespace come through", async () => {
  const user = {
    username: "u",
    password: "p",
    "client-certificate-data": Buffer.from("cert").toString("base64"),
    "client-key-data": Buffer.from("key").toString("base64"),
  };
  const cluster = { "insecure-skip-tls-verify": true, "tls-server-name": "api.example" };
  const source = await load(await kubeconfig({ user, cluster, context: { namespace: "edge" } }));
  const { headers, tls } = await source.current();
  expect(headers).toEqual({ authorization: `Basic ${Buffer.from("u:p").toString("base64")}` });
  expect([String(tls.cert), String(tls.key)]).toEqual(["cert", "key"]);
  expect(tls).toMatchObject({ servername: "api.example", rejectUnauthorized: false });
  expect(source.address.namespace).toBe("edge");
});
