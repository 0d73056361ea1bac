import { once } from "node:events";
import { writeFile, readFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { freePort } from "../../../dev/controlplane/ports.ts";
import { ask, broker, connected, echo, openBus, until } from "./world.ts";

describe("while the broker is away", () => {
  test("a bus opens at once, and works with all its subscriptions when the broker comes", async () => {
    await using server = await broker();
    await server.component.kill9();
    await using here = openBus(server.url);
    await using there = openBus(server.url);
    echo(there, "ship1.command.*");
    echo(there, "ship1.other");
    expect(here.connected).toBe(false);
    expect(await ask(here, "ship1.command.x")).toBe("disconnected");
    await until(() => here.log.lines.length > 0);
    await server.component.restart();
    await connected(here, there);
    expect(await ask(here, "ship1.command.x", "1")).toBe("echo 1");
    expect(await ask(here, "ship1.other", "2")).toBe("echo 2");
    expect(here.log.lines[0]).toMatch(/^warn cannot connect to the broker.*127\.0\.0\.1.*refused/);
    expect(here.log.lines.at(-1)).toMatch(/^info connected to the broker.*"away".*"attempts"/);
  });

  test("it is tried for as long as it takes, and that is not logged each time", async () => {
    await using server = await broker();
    await using bus = openBus(server.url);
    const told: boolean[] = [];
    bus.onConnectedChange((value) => told.push(value));
    await connected(bus);
    echo(bus, "mirror");
    await server.component.kill9();
    await until(() => !bus.connected);
    const before = bus.log.lines.length;
    // More attempts than the client of NATS makes by itself, which are ten.
    await using counter = await acceptAndClose(server.component.port, 50);
    await counter.reached;
    await counter[Symbol.asyncDispose]();
    expect(bus.log.lines.length - before).toBeLessThanOrEqual(2);
    await server.component.restart();
    await connected(bus);
    expect(await ask(bus, "mirror", "x")).toBe("echo x");
    expect(told).toEqual([true, false, true]);
  });

  test("what is published is lost, and what is subscribed to is not", async () => {
    await using server = await broker();
    await using bus = openBus(server.url);
    await connected(bus);
    await server.component.kill9();
    await until(() => !bus.connected);
    const got: string[] = [];
    bus.subscribe("a", ({ data }) => void got.push(Buffer.from(data).toString()));
    const ended = bus.subscribe("b", () => void got.push("ended"));
    ended.unsubscribe();
    bus.publish("a", Buffer.from("before"));
    await server.component.restart();
    await connected(bus);
    bus.publish("b", Buffer.from(""));
    bus.publish("a", Buffer.from("after"));
    await until(() => got.length > 0);
    expect(got).toEqual(["after"]);
  });

  test("closing takes no connection", async () => {
    const bus = openBus(`nats://127.0.0.1:${await freePort()}`);
    await until(() => bus.log.lines.length > 0);
    await bus.close();
    expect(bus.connected).toBe(false);
  });
});

describe("when the broker dies", () => {
  test("a request that waits ends as disconnected, without waiting for its time-out", async () => {
    await using server = await broker();
    await using here = openBus(server.url);
    await using there = openBus(server.url);
    const heard = Promise.withResolvers<void>();
    there.subscribe("ship1.command.silent", () => heard.resolve());
    echo(there, "ready");
    await connected(here, there);
    while ((await ask(here, "ready")) === "noResponders");
    const askForLong = (): Promise<string> => ask(here, "ship1.command.silent", "", 3_600_000);
    const asked = askForLong();
    // Whoever asks again in the very moment in which the connection ends.
    const askedAgain = asked.then(askForLong);
    await heard.promise;
    await server.component.kill9();
    expect(await asked).toBe("disconnected");
    expect(await askedAgain).toBe("disconnected");
    expect(here.connected).toBe(false);
  });

  test("many times, everything works each time, and nothing piles up", async () => {
    await using server = await broker();
    await using here = openBus(server.url);
    await using there = openBus(server.url);
    echo(there, "ship1.command.*");
    await connected(here, there);
    const before = openHandles();
    for (let i = 0; i < 8; i += 1) {
      await server.component.kill9();
      await until(() => !here.connected && !there.connected);
      await server.component.restart();
      await connected(here, there);
      expect(await ask(here, "ship1.command.x", String(i))).toBe(`echo ${i}`);
    }
    await until(() => openHandles() <= before);
    expect(here.log.lines.filter((line) => line.startsWith("error"))).toEqual([]);
  });

  test("an answer that comes after the reconnect still reaches who asked", async () => {
    await using lasting = await broker();
    const { port } = lasting.component;
    await using here = openBus(lasting.url);
    await using proxy = await forward(port);
    await using there = openBus(`nats://127.0.0.1:${proxy.port}`);
    there.subscribe("ship1.command.slow", (message) => {
      proxy.cut();
      const remove = there.onConnectedChange((value) => {
        if (!value) return;
        remove();
        message.respond(Buffer.from("late"));
      });
    });
    echo(there, "ready");
    await connected(here, there);
    while ((await ask(here, "ready")) === "noResponders");
    expect(await ask(here, "ship1.command.slow")).toBe("late");
  });
});

describe("a link that is dead without saying so", () => {
  test("is noticed by pings, and given up even with unsent messages in its way", async () => {
    await using server = await broker();
    await using bus = openBus(server.url, { timings: { pingInterval: 50, dialTimeout: 200 } });
    echo(bus, "mirror");
    await connected(bus);
    await server.component.pause();
    // More than the system takes off our hands.
    for (let i = 0; i < 20; i += 1) bus.publish("nobody", Buffer.alloc(1024 * 1024));
    const asked = ask(bus, "mirror", "x", 3_600_000);
    await until(() => !bus.connected);
    expect(await asked).toBe("disconnected");
    expect(bus.log.lines.join("\n")).toContain("pings were not answered");
    await server.component.resume();
    await connected(bus);
    expect(await ask(bus, "mirror", "y")).toBe("echo y");
  });

  test("does not hold up closing", async () => {
    await using server = await broker();
    const bus = openBus(server.url);
    await connected(bus);
    await server.component.pause();
    await bus.close();
    await server.component.resume();
    expect(bus.connected).toBe(false);
  });

  test("leaves no sockets behind where connections are accepted and nothing is said", async () => {
    await using silent = await acceptInSilence();
    await using bus = openBus(`nats://127.0.0.1:${silent.port}`, { timings: { dialTimeout: 20 } });
    await until(() => silent.accepted() >= 10);
    await bus.close();
    await until(() => silent.open() === 0);
    expect(bus.log.lines[0]).toMatch(/^warn cannot connect to the broker.*timeout/);
  });

  test("does not hold up closing before there is a connection", async () => {
    await using silent = await acceptInSilence();
    const bus = openBus(`nats://127.0.0.1:${silent.port}`, { timings: { dialTimeout: 3_600_000 } });
    await until(() => silent.accepted() === 1);
    await bus.close();
    await until(() => silent.open() === 0);
    expect(silent.accepted()).toBe(1);
  });
});

describe("a broker that refuses", () => {
  test("credentials is asked again until it takes them, and they are not logged", async () => {
    await using server = await broker(users("hunter1"));
    const url = server.url.replace("nats://", "nats://ship1:hunter2@");
    await using bus = openBus(url);
    echo(bus, "mirror");
    await until(() => bus.log.lines.length > 0);
    expect(bus.log.lines[0]).toMatch(/cannot connect.*Authorization Violation/);
    const config = await readFile(server.configPath, "utf8");
    await writeFile(server.configPath, config.replace("hunter1", "hunter2"));
    await server.component.signal("SIGHUP");
    await connected(bus);
    expect(await ask(bus, "mirror", "x")).toBe("echo x");
    await writeFile(server.configPath, config.replace("hunter1", "hunter3"));
    await server.component.signal("SIGHUP");
    await until(() => bus.log.lines.some((line) => line.includes("disconnected")));
    await writeFile(server.configPath, config.replace("hunter1", "hunter2"));
    await server.component.signal("SIGHUP");
    await connected(bus);
    expect(await ask(bus, "mirror", "y")).toBe("echo y");
    expect(bus.log.lines.join("\n")).not.toContain("hunter");
  });

  test("a subject says so, and a subscription is in force once it is allowed", async () => {
    await using server = await broker(permissions("nothing"));
    await using bus = openBus(server.url.replace("nats://", "nats://ship1:x@"));
    echo(bus, "ok");
    await connected(bus);
    expect(await ask(bus, "forbidden")).toBe("disconnected");
    expect(await ask(bus, "ok")).toBe("noResponders");
    await until(() => bus.log.lines.some((line) => line.includes("denied a subscription")));
    expect(bus.connected).toBe(true);
    const config = await readFile(server.configPath, "utf8");
    await writeFile(server.configPath, config.replace("nothing", "ok"));
    await server.component.signal("SIGHUP");
    while ((await ask(bus, "ok", "x")) !== "echo x");
  });
});

test("of several servers one that is there is enough", async () => {
  await using server = await broker();
  const dead = await Promise.all([freePort(), freePort()]);
  const servers = [...dead.map((port) => `nats://127.0.0.1:${port}`), server.url];
  await using bus = openBus(servers);
  await connected(bus);
  echo(bus, "mirror");
  expect(await ask(bus, "mirror", "x")).toBe("echo x");
});

function users(password: string): string {
  return `authorization { users: [{user: ship1, password: ${password}}] }`;
}

function permissions(subscribe: string): string {
  const allowed = `publish: ["ok", "_INBOX_test.>"], subscribe: ["${subscribe}", "_INBOX_test.>"]`;
  return `authorization { users: [{user: ship1, password: x, permissions: {${allowed}}}] }`;
}

function openHandles(): number {
  return process.getActiveResourcesInfo().filter((name) => name !== "Immediate").length;
}

interface Listening extends AsyncDisposable {
  readonly port: number;
}

async function listen(port: number, onSocket: (socket: Socket) => void): Promise<Listening> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    onSocket(socket);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as AddressInfo;
  return {
    port: address.port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Like a proxy with nothing behind it. */
async function acceptInSilence(): Promise<
  Listening & { readonly accepted: () => number; readonly open: () => number }
> {
  let accepted = 0;
  let open = 0;
  const listening = await listen(0, (socket) => {
    accepted += 1;
    open += 1;
    socket.resume();
    socket.once("close", () => (open -= 1));
  });
  return { ...listening, accepted: () => accepted, open: () => open };
}

/** Counts attempts to connect. */
async function acceptAndClose(
  port: number,
  attempts: number,
): Promise<Listening & { readonly reached: Promise<void> }> {
  const reached = Promise.withResolvers<void>();
  let count = 0;
  const listening = await listen(port, (socket) => {
    count += 1;
    socket.destroy();
    if (count === attempts) reached.resolve();
  });
  return { ...listening, reached: reached.promise };
}

/** Forwards connections to a broker, and can cut them. */
async function forward(to: number): Promise<Listening & { readonly cut: () => void }> {
  const clients = new Set<Socket>();
  const listening = await listen(0, (client) => {
    const upstream = connect(to, "127.0.0.1").on("error", () => {});
    clients.add(client);
    client.pipe(upstream).pipe(client);
    client.once("close", () => upstream.destroy());
    upstream.once("close", () => client.destroy());
  });
  return {
    ...listening,
    cut: () => {
      for (const client of clients) client.destroy();
    },
  };
}
