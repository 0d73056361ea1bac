import { afterEach, beforeEach, expect, test } from "vitest";

import type { MemoryBus } from "../../unit/agent/memory-bus.ts";
import { eventually, World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** Has the next agent's bus throw the first `times` times that `method` is called. */
function injectFaults(method: "subscribe" | "request" | "onConnectedChange", times: number): void {
  const connect = world.broker.connect.bind(world.broker);
  let left = times;
  world.broker.connect = (inbox): MemoryBus => {
    const bus = connect(inbox);
    const original: unknown = Reflect.get(bus, method);
    if (typeof original !== "function") throw new TypeError(`a bus has no ${method}`);
    Reflect.set(bus, method, (...args: unknown[]): unknown => {
      left -= 1;
      if (left >= 0) throw new Error(`injected into ${method}`);
      return Reflect.apply(original, bus, args);
    });
    return bus;
  };
}

/** What the error kernel decided, by the process that failed. */
function verdicts(): Record<string, unknown> {
  return Object.fromEntries(
    world.log
      .filter(({ message }) => message.includes("injected into"))
      .map(({ fields }) => {
        const { process, verdict } = fields as { process: string; verdict: unknown };
        return [process, verdict];
      }),
  );
}

test.each([
  ["subscribe", { inbox: "restart" }],
  ["onConnectedChange", { heartbeat: "restart", outbox: "restart" }],
  ["request", { heartbeat: "restart" }],
] as const)(
  "what fails for a while in %s is restarted part by part, and works then",
  async (method, expected) => {
    injectFaults(method, 4);
    await world.startReadyAgent();
    const result = await eventually(async () => world.shell("echo done"));
    expect(result.result).toMatchObject({ outcome: "Succeeded", stdout: { text: "done\n" } });
    expect(verdicts()).toMatchObject(expected);
  },
);
