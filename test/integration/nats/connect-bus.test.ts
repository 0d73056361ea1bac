import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { NatsServer } from "../../../dev/controlplane/control-plane.ts";
import { connectBus } from "../../../src/nats/connect-bus.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { ask, broker, bytes, capturingLog, connected, echo, hurriedClock } from "./world.ts";
import { inWords, openBus, textOf, until, type TestBus } from "./world.ts";

let server: NatsServer;
let here: TestBus;
let there: TestBus;

beforeAll(async () => {
  server = await broker();
});
afterAll(() => server[Symbol.asyncDispose]());

beforeEach(async () => {
  here = openBus(server.url);
  there = openBus(server.url, { inbox: "_INBOX_ship1" });
  await connected(here, there);
  return async () => {
    await Promise.all([here.close(), there.close()]);
  };
});

/** Messages are handled in order: what was sent before the answer to this has arrived. */
async function settled(from: TestBus, at: TestBus): Promise<void> {
  echo(at, "settled");
  while ((await ask(from, "settled")) === "noResponders");
}

describe("a request", () => {
  test("is answered, and the answer comes under the inbox of who asks", async () => {
    let reply: string | undefined;
    here.subscribe("ship1.event.*", (message) => {
      reply = message.reply;
      message.respond(bytes(`${message.subject}: ${textOf(message.data)}`));
    });
    await settled(there, here);
    expect(await ask(there, "ship1.event.hello", "hi")).toBe("ship1.event.hello: hi");
    expect(reply).toMatch(/^_INBOX_ship1\.\S+$/);
  });

  test("tells that nobody listens from that nobody answers", async () => {
    there.subscribe("ship1.command.silent", () => {});
    await settled(here, there);
    expect(await ask(here, "ship2.command.silent")).toBe("noResponders");
    expect(await ask(here, "ship1.command.silent", "", 1)).toBe("timeout");
  });

  test("is given up when its signal is aborted, before as well as while it waits", async () => {
    const heard = new AbortController();
    there.subscribe("ship1.command.silent", () => heard.abort());
    await settled(here, there);
    const options = { timeoutMs: 3_600_000, signal: heard.signal };
    expect(await here.request("ship1.command.silent", bytes(""), options)).toEqual({
      kind: "timeout",
    });
    echo(there, "ship1.command.echo");
    await settled(here, there);
    expect(await here.request("ship1.command.echo", bytes(""), options)).toEqual({
      kind: "timeout",
    });
  });

  test("that is larger than the broker takes is not sent, and says so", async () => {
    echo(there, "ship1.command.large");
    await settled(here, there);
    const request = here.request("ship1.command.large", Buffer.alloc(1024 * 1024 + 1), {
      timeoutMs: 30_000,
    });
    expect(await request).toEqual({ kind: "tooLarge", maxBytes: 1024 * 1024 });
    expect(await ask(here, "ship1.command.large", "fits")).toBe("echo fits");
  });

  test("on a subject that cannot be does not throw", async () => {
    expect(await ask(here, "a subject")).toBe("disconnected");
  });

  test("that waits when the bus is closed ends there and then", async () => {
    there.subscribe("ship1.command.silent", () => {});
    await settled(here, there);
    const asked = ask(here, "ship1.command.silent", "", 3_600_000);
    await here.close();
    expect(await asked).toBe("disconnected");
    expect(await ask(here, "ship1.command.silent")).toBe("disconnected");
  });
});

describe("a subscription", () => {
  test("gets what is published on its subjects, in order, and nothing else", async () => {
    const got: string[] = [];
    there.subscribe("ship1.command.*", ({ subject, data, reply }) => {
      got.push(`${subject} ${textOf(data)} ${reply}`);
    });
    await settled(here, there);
    here.publish("ship1.command.a", bytes("1"));
    here.publish("ship2.command.a", bytes("2"));
    here.publish("ship1.command.b", bytes("3"));
    await settled(here, there);
    expect(got).toEqual(["ship1.command.a 1 undefined", "ship1.command.b 3 undefined"]);
  });

  test("gets nothing any more once it is ended", async () => {
    const got: string[] = [];
    const subscription = there.subscribe("ship1.command.a", ({ data }) => {
      got.push(textOf(data));
      subscription.unsubscribe();
    });
    await settled(here, there);
    here.publish("ship1.command.a", bytes("1"));
    here.publish("ship1.command.a", bytes("2"));
    await settled(here, there);
    subscription.unsubscribe();
    expect(got).toEqual(["1"]);
  });

  test("survives a handler that throws, at once or later", async () => {
    there.subscribe("ship1.command.throw", () => {
      throw new Error("boom");
    });
    // oxlint-disable-next-line typescript/no-misused-promises -- the mistake that must not kill the process
    there.subscribe("ship1.command.reject", (): void | Promise<void> =>
      Promise.reject(new Error("bang")),
    );
    echo(there, "ship1.command.echo");
    await settled(here, there);
    here.publish("ship1.command.throw", bytes(""));
    here.publish("ship1.command.reject", bytes(""));
    expect(await ask(here, "ship1.command.echo", "alive")).toBe("echo alive");
    await until(
      () => there.log.lines.filter((line) => line.includes("handler failed")).length === 2,
    );
    expect(there.log.lines.join("\n")).toMatch(/ship1\.command\.throw.*boom[^]*reject.*bang/);
  });

  test("on what is not a subject is refused", () => {
    expect(() => here.subscribe("a subject", () => {})).toThrow(RangeError);
    expect(() => here.subscribe("", () => {})).toThrow(RangeError);
  });
});

describe("an answer", () => {
  test("that is too large is logged, not thrown", async () => {
    there.subscribe("ship1.command.large", (message) => {
      message.respond(Buffer.alloc(1024 * 1024 + 1));
      message.respond(bytes("small"));
    });
    await settled(here, there);
    expect(await ask(here, "ship1.command.large")).toBe("small");
    expect(there.log.lines.join("\n")).toMatch(/error a message was not sent .*1048577/);
  });

  test("to who did not ask for one goes nowhere", async () => {
    there.subscribe("ship1.command.a", (message) => message.respond(bytes("x")));
    await settled(here, there);
    here.publish("ship1.command.a", bytes(""));
    await settled(here, there);
    expect(there.log.lines.filter((line) => line.startsWith("error"))).toEqual([]);
  });
});

describe("closing", () => {
  test("sends what was published before it", async () => {
    // No hurry for this one: it is about what there is time for.
    await using patient = openBus(server.url, { clock: systemClock });
    await connected(patient);
    const got: number[] = [];
    there.subscribe("ship1.event.error", ({ data }) => void got.push(data.length));
    await settled(patient, there);
    // More than the system takes off our hands.
    const large = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 48; i += 1) patient.publish("ship1.event.error", large);
    await patient.close();
    await until(() => got.length === 48);
  });

  test("is told to the listeners once, and may be done again", async () => {
    const told: boolean[] = [];
    here.onConnectedChange((value) => told.push(value));
    await Promise.all([here.close(), here.close()]);
    await here.close();
    expect(told).toEqual([false]);
    expect(here.connected).toBe(false);
    expect(here.log.lines.filter((line) => line.includes("disconnected"))).toEqual([]);
  });

  test("comes with the signal's abort and with the end of the scope", async () => {
    const stop = new AbortController();
    const bySignal = openBus(server.url, { signal: stop.signal });
    const told: boolean[] = [];
    {
      await using byScope = openBus(server.url);
      byScope.onConnectedChange((value) => told.push(value));
      await connected(bySignal, byScope);
    }
    expect(told).toEqual([true, false]);
    stop.abort();
    expect(bySignal.connected).toBe(false);
    await bySignal.close();
  });

  test("before it has begun leaves a bus that never connects", async () => {
    const bus = openBus(server.url, { signal: AbortSignal.abort() });
    await bus.close();
    expect(bus.connected).toBe(false);
    expect(bus.log.lines).toEqual([]);
  });
});

describe("a listener to the connection", () => {
  test("that throws harms nobody, and one that was removed is not called", async () => {
    const bus = openBus(server.url);
    const told: string[] = [];
    bus.onConnectedChange(() => {
      throw new Error("boom");
    });
    bus.onConnectedChange((value) => told.push(`kept ${value}`));
    const remove = bus.onConnectedChange((value) => told.push(`removed ${value}`));
    remove();
    await connected(bus);
    await bus.close();
    expect(told).toEqual(["kept true", "kept false"]);
    expect(bus.log.lines.join("\n")).toMatch(/error a listener .*boom/);
  });

  test("may ask at once: what it hears back has not been missed", async () => {
    const answers: string[] = [];
    const bus = openBus(server.url);
    echo(bus, "mirror");
    bus.onConnectedChange((value) => {
      if (value) void ask(bus, "mirror", "me").then((answer) => answers.push(answer));
    });
    await until(() => answers.length === 1);
    await bus.close();
    expect(answers).toEqual(["echo me"]);
  });
});

test.each([{ servers: [] }, { servers: ["http://127.0.0.1"] }])(
  "a bus to $servers is refused at once",
  ({ servers }) => {
    const options = { name: "x", inbox: "_INBOX_x", clock: hurriedClock, random: Math.random };
    expect(() => connectBus({ ...options, servers, logger: capturingLog() })).toThrow(RangeError);
  },
);

test("the outcome of a request is a value also where nobody waits for it", async () => {
  const asked = here.request("nobody", bytes(""), { timeoutMs: 0 });
  expect(["timeout", "noResponders"]).toContain(inWords(await asked));
});
