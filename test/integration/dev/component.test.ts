import { once } from "node:events";
import { createServer } from "node:net";

import { expect, test } from "vitest";

import { startComponent } from "../../../dev/controlplane/component.ts";
import { startGuardian } from "../../../dev/controlplane/guard.ts";
import { freePort } from "../../../dev/controlplane/ports.ts";
import { probeFirstLine } from "../../../dev/controlplane/probes.ts";

/** Greets who connects with the name it was given. */
const greeter = `
  const [name, port] = process.argv.slice(1);
  require("node:net").createServer((socket) => socket.end(name + "\\n")).listen(port, "127.0.0.1");
`;

test("a component whose port was taken in the meantime comes back for another", async () => {
  await using guardian = await startGuardian();
  await using stranger = createServer((socket) => socket.end("not yours\n"));
  const taken = await freePort();
  stranger.listen(taken, "127.0.0.1");
  await once(stranger, "listening");
  const ports: number[] = [];
  const component = await startComponent(
    {
      name: "greeter",
      executable: process.execPath,
      args: (port) => {
        ports.push(port);
        return ["-e", greeter, "mine", String(ports.length === 1 ? taken : port)];
      },
      isReady: async (port, signal) => (await probeFirstLine(port, signal)) === "mine",
    },
    { guardian, signal: new AbortController().signal, onUnexpectedExit: () => undefined },
  );
  expect(ports).toHaveLength(2);
  expect(component.port).toBe(ports[1]);
});
