import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Check } from "../../../src/telemetry/checks.ts";
import {
  ListenError,
  startHttpServer,
  type HttpLimits,
  type HttpServer,
} from "../../../src/telemetry/http-server.ts";
import { createMetrics } from "../../../src/telemetry/metrics.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";

let stack: AsyncDisposableStack;
let logger: RecordingLogger;
let reason: string | undefined;

const fine: Check = { name: "ping", check: () => undefined };
const broker: Check = { name: "broker", check: () => reason };

beforeEach(() => {
  stack = new AsyncDisposableStack();
  logger = new RecordingLogger();
  reason = undefined;
});

afterEach(() => stack.disposeAsync());

async function start(
  change: {
    readonly port?: number;
    readonly metrics?: () => Promise<string>;
    readonly limits?: Partial<HttpLimits>;
  } = {},
): Promise<HttpServer> {
  const server = await startHttpServer({
    port: 0,
    host: "127.0.0.1",
    portOption: "--http-port",
    metrics: () => Promise.resolve("up 1\n"),
    health: [fine],
    ready: [fine, broker],
    logger,
    ...change,
  });
  return stack.use(server);
}

async function ask(
  { address }: HttpServer,
  path: string,
  init: RequestInit = {},
): Promise<{ status: number; headers: Headers; text: string }> {
  const answer = await fetch(`http://127.0.0.1:${address.port}${path}`, init);
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

async function dial({ address }: HttpServer): Promise<Socket> {
  const socket = connect(address.port, "127.0.0.1");
  stack.defer(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** What comes until the server ends the connection. */
async function untilClosed(socket: Socket): Promise<string> {
  let received = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    received += chunk;
  });
  socket.on("error", () => {}); // A reset is one way to end it.
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return received;
}

describe("/healthz and /readyz", () => {
  test("answer ok while all checks pass", async () => {
    const server = await start();
    for (const path of ["/healthz", "/readyz"]) {
      expect(await ask(server, path)).toMatchObject({ status: 200, text: "ok" });
    }
  });

  test("answer 500 and the reason when a check fails, each with its own checks", async () => {
    const server = await start();
    reason = "not connected to the broker";
    expect((await ask(server, "/healthz")).status).toBe(200);
    expect(await ask(server, "/readyz")).toMatchObject({
      status: 500,
      text: "[+]ping ok\n[-]broker failed: not connected to the broker\nreadyz check failed\n",
    });
    reason = undefined;
    expect((await ask(server, "/readyz")).status).toBe(200);
  });

  test("tell every check if that is asked for", async () => {
    const { status, text } = await ask(await start(), "/readyz?verbose");
    expect(status).toBe(200);
    expect(text).toBe("[+]ping ok\n[+]broker ok\nreadyz check passed\n");
  });
});

describe("/metrics", () => {
  test("gives what there is to tell, with the content type of the exposition format", async () => {
    const metrics = createMetrics({
      version: "1.2.3",
      clock: new FakeClock(),
      defaultMetrics: false,
    });
    const { status, headers, text } = await ask(
      await start({ metrics: () => metrics.text() }),
      "/metrics",
    );
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(headers.get("content-length")).toBe(String(Buffer.byteLength(text)));
    expect(text).toContain('steward_build_info{version="1.2.3"} 1\n');
  });

  test("answers 500 when that fails, and only the log says why", async () => {
    const server = await start({ metrics: () => Promise.reject(new Error("hunter2")) });
    const { status, text } = await ask(server, "/metrics");
    expect(status).toBe(500);
    expect(text).not.toContain("hunter2");
    expect(logger.lines.filter(({ level }) => level === "error")).toEqual([
      expect.objectContaining({ message: expect.stringContaining("hunter2") }),
    ]);
  });
});

describe("the HTTP server", () => {
  test.each(["/", "/healthz/", "/metrics/x", "/constructor", "//", "/%00", "/../metrics2"])(
    "knows nothing at %s",
    async (path) => {
      expect((await ask(await start(), path)).status).toBe(404);
    },
  );

  test.each(["POST", "PUT", "DELETE", "OPTIONS"])("does not take a %s", async (method) => {
    const { status, headers } = await ask(await start(), "/metrics", { method });
    expect(status).toBe(405);
    expect(headers.get("allow")).toBe("GET, HEAD");
  });

  test("answers a HEAD like a GET, without the text", async () => {
    const server = await start();
    const { status, headers, text } = await ask(server, "/healthz", { method: "HEAD" });
    expect(status).toBe(200);
    expect(headers.get("content-length")).toBe("2");
    expect(text).toBe("");
  });

  test("says where it listens when any port will do", async () => {
    const { address } = await start();
    expect(address.host).toBe("127.0.0.1");
    expect(address.port).toBeGreaterThan(0);
    expect(logger.lines).toContainEqual(
      expect.objectContaining({ level: "info", fields: { ...address } }),
    );
  });

  test("names port and option when the port is taken", async () => {
    const { address } = await start();
    const second = start({ port: address.port });
    await expect(second).rejects.toThrow(ListenError);
    await expect(second).rejects.toThrow(
      `cannot serve health and metrics on 127.0.0.1, port ${address.port} (--http-port): ` +
        "another process listens there; choose another port, or 0 for any",
    );
  });

  test("hangs up on a client that never ends its headers", async () => {
    const server = await start({ limits: { headersTimeoutMs: 50 } });
    const socket = await dial(server);
    socket.write("GET /healthz HTTP/1.1\r\nx-slow: ");
    expect(await untilClosed(socket)).toMatch(/^HTTP\/1\.1 408 /);
  });

  test("hangs up on a client that says nothing", async () => {
    const server = await start({ limits: { headersTimeoutMs: 50 } });
    expect(await untilClosed(await dial(server))).toMatch(/^HTTP\/1\.1 408 /);
  });

  test("hangs up on a client that never ends its body", async () => {
    const server = await start({ limits: { headersTimeoutMs: 50, requestTimeoutMs: 50 } });
    const socket = await dial(server);
    socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n.");
    expect(await untilClosed(socket)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("hangs up on a client that makes no further request", async () => {
    const server = await start({ limits: { keepAliveTimeoutMs: 50 } });
    const socket = await dial(server);
    socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(await untilClosed(socket)).toMatch(/^HTTP\/1\.1 200 .*ok$/s);
  });

  test("hangs up on a client that does not read its answer", async () => {
    const large = "x".repeat(50_000_000);
    const limits = { maxConnections: 1, idleTimeoutMs: 50 };
    const server = await start({ metrics: () => Promise.resolve(large), limits });
    const socket = await dial(server);
    socket.pause();
    socket.write("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
    await vi.waitUntil(
      async () => {
        const answer = await ask(server, "/healthz").catch(() => undefined);
        return answer?.status === 200;
      },
      { timeout: 30_000 },
    );
  });

  test("refuses headers that are too large", async () => {
    const socket = await dial(await start());
    socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\nx-large: ${"x".repeat(20_000)}\r\n\r\n`);
    expect(await untilClosed(socket)).toMatch(/^HTTP\/1\.1 431 /);
  });

  test("survives what is no HTTP", async () => {
    const server = await start();
    const socket = await dial(server);
    socket.write("\u0016\u0003\u0001 hello\r\n\r\n");
    await untilClosed(socket);
    expect((await ask(server, "/healthz")).status).toBe(200);
  });

  test("has no more connections than it may", async () => {
    const server = await start({ limits: { maxConnections: 1 } });
    const first = await dial(server);
    await untilClosed(await dial(server));
    first.write("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    expect(await untilClosed(first)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("ends at once when it is closed, with every connection, and can be closed again", async () => {
    const scraping = Promise.withResolvers<void>();
    const metrics = (): Promise<string> => {
      scraping.resolve();
      return new Promise(() => {});
    };
    const server = await start({ metrics, limits: { idleTimeoutMs: 600_000 } });
    const idle = await dial(server);
    const waiting = await dial(server);
    waiting.write("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
    await scraping.promise;
    await Promise.all([untilClosed(idle), untilClosed(waiting), server.close()]);
    await server.close();
    await expect(ask(server, "/healthz")).rejects.toThrow("fetch failed");
  });
});
