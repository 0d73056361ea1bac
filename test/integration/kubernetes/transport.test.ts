import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { channel } from "node:diagnostics_channel";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiError } from "../../../src/kubernetes/api-error.ts";
import { KubeconfigError, TransportError } from "../../../src/kubernetes/transport-error.ts";
import { createTransport } from "../../../src/kubernetes/transport.ts";
import { isAbortError } from "../../../src/runtime/errors.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { sharedControlPlane } from "../../support/control-plane.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { connect, until } from "./world.ts";

const cluster = sharedControlPlane();
const logger = new RecordingLogger();
let directory = "";
let config = "";
let token = "";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "steward-transport-"));
  config = await readFile(cluster.kubeconfigPath, "utf8");
  token = /token: "?([^"\n]+)"?/.exec(config)?.[1] ?? "";
  expect(token).not.toBe("");
});

afterAll(() => rm(directory, { recursive: true }));

async function kubeconfigWith(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

const version = { method: "GET", path: "/version" } as const;

async function thrownBy(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
}

/** Counts what undici tells on a diagnostics channel, until `end`. */
function counting(name: string): { end(): number } {
  let count = 0;
  const onMessage = (): void => {
    count += 1;
  };
  const messages = channel(name);
  messages.subscribe(onMessage);
  return {
    end: () => {
      messages.unsubscribe(onMessage);
      return count;
    },
  };
}

test("requests are answered with parsed JSON, or with text where there is none", async () => {
  await using transport = await connect(cluster.kubeconfigPath);
  const { status, body } = await transport.request(version);
  expect(status).toBe(200);
  expect(body).toMatchObject({ major: "1" });
  expect((await transport.request({ method: "GET", path: "/readyz" })).body).toBe("ok");
  expect(transport.namespace).toBe("default");
  expect(config).toContain(transport.server);
});

test("200 requests at once go over few connections", async () => {
  await using transport = await createTransport({
    kubeconfigPath: cluster.kubeconfigPath,
    logger,
    clock: systemClock,
    maxConnections: 8,
  });
  const connected = counting("undici:client:connected");
  for (let round = 0; round < 2; round += 1) {
    const answers = Array.from({ length: 100 }, () => transport.request(version));
    for (const { status } of await Promise.all(answers)) expect(status).toBe(200);
  }
  const connections = connected.end();
  expect(connections).toBeGreaterThan(0);
  expect(connections).toBeLessThanOrEqual(8);
});

test("a wrong token is an ApiError 401", async () => {
  await using transport = await connect(
    await kubeconfigWith("wrong", config.replace(token, "wrong")),
  );
  const thrown = await thrownBy(transport.request(version));
  expect(thrown).toBeInstanceOf(ApiError);
  expect(thrown).toMatchObject({ status: 401, reason: "Unauthorized" });
  expect(String(thrown)).not.toContain("wrong");
});

test("a token that was replaced is picked up by the request that is refused for it", async () => {
  const path = await kubeconfigWith("replaced", config.replace(token, "old"));
  await using transport = await connect(path);
  await writeFile(path, config);
  expect((await transport.request(version)).status).toBe(200);
});

test("a kubeconfig that is broken while it is replaced leaves the last credentials in place", async () => {
  const path = await kubeconfigWith("broken", config.replace(token, "old"));
  await using transport = await connect(path);
  await writeFile(path, "{");
  await expect(transport.request(version)).rejects.toMatchObject({ status: 401 });
});

test("an exec plugin gives the token, and is asked again when that is refused", async () => {
  const tokenFile = await kubeconfigWith("exec-token", "old\n");
  const script = `printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",\
"status":{"token":"%s"}}' "$(cat ${tokenFile})"`;
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "/bin/sh",
    args: ["-c", script],
    interactiveMode: "Never",
  };
  const text = config.replace(/token: .*/, `exec: ${JSON.stringify(exec)}`);
  await using transport = await connect(await kubeconfigWith("exec", text));
  await writeFile(tokenFile, token);
  expect((await transport.request(version)).status).toBe(200);
});

test("a watch too is opened again with the token that replaced the refused one", async () => {
  const path = await kubeconfigWith("watch", config.replace(token, "old"));
  await using transport = await connect(path);
  await writeFile(path, config);
  const events = transport.watch({
    path: "/api/v1/namespaces",
    query: { timeoutSeconds: 1 },
    signal: new AbortController().signal,
    idleMs: 60_000,
  });
  let received = 0;
  for await (const { type } of events) received += type === "ADDED" ? 1 : 0;
  expect(received).toBeGreaterThan(0);
});

/** Listens on a free port; the kubeconfig that leads there. */
async function listening(server: Server, name: string): Promise<string> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return kubeconfigWith(name, config.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${port}`));
}

test("a server that is not there is a TransportError with its cause", async () => {
  const server = createServer();
  const path = await listening(server, "nobody");
  await new Promise((resolve) => {
    server.close(resolve);
  });
  await using transport = await connect(path);
  const thrown = await thrownBy(transport.request(version));
  expect(thrown).toBeInstanceOf(TransportError);
  expect(thrown).toMatchObject({ cause: { code: "ECONNREFUSED" } });
});

test("a server whose certificate is not of the kubeconfig's authority is not spoken to", async () => {
  const text = config.replace(/ *certificate-authority-data: .*\n/, "");
  await using transport = await connect(await kubeconfigWith("no-ca", text));
  const thrown = await thrownBy(transport.request(version));
  expect(thrown).toBeInstanceOf(TransportError);
  expect(thrown).toMatchObject({ cause: { code: expect.stringMatching(/CERT|SIGNATURE/) } });
});

test("a server that never answers is given up on, also while connections are waited for", async () => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket));
  await using transport = await createTransport({
    kubeconfigPath: await listening(server, "silent"),
    logger,
    clock: systemClock,
    requestTimeoutMs: 50,
    maxConnections: 1,
  });
  const broken = counting("undici:client:connectError");
  const requests = Array.from({ length: 2 }, () => thrownBy(transport.request(version)));
  for (const thrown of await Promise.all(requests)) {
    expect(thrown).toBeInstanceOf(TransportError);
    expect(String(thrown)).toContain("no answer in the time allowed");
  }
  // It was the time-out of the requests that ended them, not the longer one of the connection.
  expect(broken.end()).toBe(0);
  for (const socket of sockets) socket.destroy();
  server.close();
});

test("a new CA makes new connections, and a watch on the old ones goes on", async () => {
  const authority = /certificate-authority-data: (.*)/.exec(config)?.[1] ?? "";
  const pem = Buffer.from(authority, "base64").toString();
  const caFile = await kubeconfigWith("ca.crt", pem);
  const text = config.replace(/certificate-authority-data: .*/, `certificate-authority: ${caFile}`);
  const clock = new FakeClock();
  const kubeconfigPath = await kubeconfigWith("with-ca", text);
  await using transport = await createTransport({ kubeconfigPath, logger, clock });
  const stop = new AbortController();
  const seen: unknown[] = [];
  const watching = thrownBy(
    (async () => {
      const request = { path: "/api/v1/namespaces", signal: stop.signal, idleMs: 3_600_000 };
      for await (const { object } of transport.watch(request)) seen.push(JSON.stringify(object));
    })(),
  );
  await until(() => seen.length > 0);

  await writeFile(caFile, `${pem}\n`);
  await clock.advance(60_000);
  const connections = counting("undici:client:connected");
  await transport.request(version);
  expect(connections.end()).toBe(1);
  const namespace = await cluster.createNamespace();
  await until(() => seen.some((each) => String(each).includes(namespace)));
  stop.abort();
  expect(isAbortError(await watching)).toBe(true);
});

test("an aborted request throws what it was aborted with", async () => {
  await using transport = await connect(cluster.kubeconfigPath);
  const abort = new AbortController();
  const pending = thrownBy(transport.request({ ...version, signal: abort.signal }));
  abort.abort();
  expect(isAbortError(await pending)).toBe(true);
  expect(
    isAbortError(await thrownBy(transport.request({ ...version, signal: abort.signal }))),
  ).toBe(true);
});

test("closing waits for requests and ends watches", async () => {
  const transport = await connect(cluster.kubeconfigPath);
  let received = 0;
  const watching = thrownBy(
    (async () => {
      const request = { path: "/api/v1/namespaces", signal: new AbortController().signal };
      for await (const _ of transport.watch({ ...request, idleMs: 60_000 })) received += 1;
    })(),
  );
  await until(() => received > 0);
  const answers = Array.from({ length: 50 }, () => transport.request(version));
  await transport.close();
  for (const { status } of await Promise.all(answers)) expect(status).toBe(200);
  expect(await watching).toBeInstanceOf(TransportError);
  expect(await thrownBy(transport.request(version))).toBeInstanceOf(TransportError);
});

test("a kubeconfig that cannot be used says so", async () => {
  await expect(connect(join(directory, "missing"))).rejects.toThrow(KubeconfigError);
  await expect(connect(await kubeconfigWith("empty", "{}"))).rejects.toThrow(KubeconfigError);
});
