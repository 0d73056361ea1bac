import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeAuthority } from "../../../src/identity/authority.ts";
import { SecureBroker } from "./secure-world.ts";
import { ask, broker as plainBroker, bytes, connected, echo, openBus, until } from "./world.ts";

let broker: SecureBroker;

beforeAll(async () => {
  broker = await SecureBroker.start();
});
afterAll(() => broker[Symbol.asyncDispose]());

describe("over TLS", () => {
  test("a node and a controller that show their credentials talk as they may", async () => {
    const credentials = await broker.mint("ship1");
    await using node = broker.node("ship1", () => credentials);
    await using controller = broker.controller();
    echo(node, "ship1.command.*");
    echo(controller, "*.event.hello", "welcome");
    await connected(node, controller);
    expect(await ask(controller, "ship1.command.ping", "1")).toBe("echo 1");
    expect(await ask(node, "ship1.event.hello", "2")).toBe("welcome 2");
    expect(node.log.lines.join("\n")).not.toMatch(/error|warn/);
  });

  test("a nats:// URL is good enough when the authority is known: TLS it is", async () => {
    const credentials = await broker.mint("ship1");
    await using node = openBus(broker.server.url.replace("tls://", "nats://"), {
      credentials: () => credentials,
      ca: () => broker.access.ca,
      inbox: "_INBOX_ship1",
    });
    await connected(node);
  });

  test.each([
    ["another authority's", async () => (await makeAuthority(Date.now())).certificate],
    ["one that the system does not know", async () => undefined],
  ])("a server with %s certificate is told nothing", async (_whose, authority) => {
    const ca = await authority();
    let asked = 0;
    const credentials = await broker.mint("ship1");
    let good = false;
    await using node = broker.node("ship1", () => ((asked += 1), credentials), {
      ca: () => (good ? broker.access.ca : ca),
      onRefused: () => expect.unreachable(),
    });
    await until(() => asked >= 3);
    expect(node.log.lines[0]).toMatch(/cannot connect to the broker.*certificate/);
    expect(node.connected).toBe(false);
    good = true;
    await connected(node);
  });

  test("a server whose certificate is for another address is told nothing", async () => {
    const credentials = await broker.mint("ship1");
    await using elsewhere = await forwarder(broker.server.component.port);
    await using node = openBus(`tls://127.0.0.2:${elsewhere.port}`, {
      credentials: () => credentials,
      ca: () => broker.access.ca,
    });
    await until(() => node.log.lines.length > 0);
    expect(node.log.lines[0]).toMatch(/cannot connect.*IP: 127\.0\.0\.2 is not in the cert/);
  });

  test.each<["nats" | "tls", boolean]>([
    ["tls", true],
    ["tls", false],
    ["nats", true],
  ])("a server without it is not spoken to (%s://, authority given: %s)", async (scheme, given) => {
    await using plain = await plainBroker();
    const url = plain.url.replace("nats://", `${scheme}://`);
    await using node = openBus(url, given ? { ca: () => broker.access.ca } : {});
    await until(() => node.log.lines.length > 0);
    expect(node.log.lines[0]).toMatch(/cannot connect.*does not support 'tls'/);
  });

  test("nothing stays open where a server falls silent before the handshake", async () => {
    await using silent = await SilentServer.start();
    await using node = openBus(`tls://127.0.0.1:${silent.port}`, { timings: { dialTimeout: 20 } });
    await until(() => silent.accepted >= 5);
    await node.close();
    await until(() => silent.open === 0);
  });
});

describe("a permission that is lacking", () => {
  test("is logged, and ends nothing", async () => {
    const credentials = await broker.mint("ship1");
    await using node = broker.node("ship1", () => credentials, {
      onRefused: () => expect.unreachable(),
    });
    await using controller = broker.controller();
    echo(node, "ship2.command.*");
    echo(node, "ship1.command.*");
    await connected(node, controller);
    node.publish("ship2.event.hello", bytes("I am ship2"));
    await until(() => node.log.lines.some((line) => line.includes("denied a subscription")));
    await until(() => node.log.lines.some((line) => line.includes("denied an operation")));
    expect(await ask(controller, "ship1.command.ping", "1")).toBe("echo 1");
    expect(await ask(controller, "ship2.command.ping", "1")).toBe("noResponders");
    expect(node.log.lines.join("\n")).not.toContain("disconnected");
  });

  test("leaves whoever enrolls with the right to ask for that alone", async () => {
    await using stranger = broker.enrollment();
    await using controller = broker.controller();
    const heard: string[] = [];
    echo(controller, "*.event.enroll", "enrolled");
    controller.subscribe("*.event.hello", ({ subject }) => void heard.push(subject));
    await connected(stranger, controller);
    expect(await ask(stranger, "ship1.event.enroll", "1")).toBe("enrolled 1");
    expect(await ask(stranger, "ship1.event.hello")).toBe("disconnected");
    expect(await ask(stranger, "ship1.command.ping")).toBe("disconnected");
    expect(stranger.connected).toBe(true);
    expect(heard).toEqual([]);
  });
});

interface Forwarder extends AsyncDisposable {
  readonly port: number;
}

/** Another address of the same server. */
async function forwarder(to: number): Promise<Forwarder> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(to, "127.0.0.1").on("error", () => client.destroy());
    for (const socket of [client, upstream]) sockets.add(socket);
    client.on("error", () => upstream.destroy());
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, "127.0.0.2");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Says that it wants TLS, and nothing more. */
class SilentServer implements AsyncDisposable {
  accepted = 0;
  open = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  static async start(): Promise<SilentServer> {
    const silent = new SilentServer(createServer());
    silent.#server.listen(0, "127.0.0.1");
    await once(silent.#server, "listening");
    return silent;
  }

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      this.accepted += 1;
      this.open += 1;
      this.#sockets.add(socket.on("error", () => {}));
      socket.once("close", () => (this.open -= 1));
      socket.resume();
      socket.write(`INFO ${JSON.stringify({ tls_required: true, max_payload: 1024 })}\r\n`);
    });
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
