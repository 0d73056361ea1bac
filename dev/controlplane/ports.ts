import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";

/** Below the range from which Linux (32768), macOS and Windows (49152) number outgoing connections. */
const FIRST = 20_000;
const LAST = 32_000;
const TRIES = 200;

/**
 * A port of 127.0.0.1 that is free now. Somebody may take it before it is used: whoever uses it must be
 * ready to come back for another.
 *
 * It is not the one the system would choose, because a component that was killed must find its port free
 * when it is started again: the system chooses from the range of outgoing connections, one of which may
 * take the port in between (a client that keeps dialling the dead port may even connect to itself).
 */
export async function freePort(): Promise<number> {
  const last = Math.min(LAST, (await firstOutgoingPort()) - 1);
  const tries = last > FIRST ? TRIES : 0;
  for (let count = 0; count < tries; count++) {
    const port = FIRST + Math.floor(Math.random() * (last - FIRST));
    if ((await listenOnce(port)) === port) return port;
  }
  // A machine set up so that its outgoing connections use all of the range.
  const port = await listenOnce(0);
  if (port === undefined) throw new Error("no free port on 127.0.0.1");
  return port;
}

async function firstOutgoingPort(): Promise<number> {
  try {
    const range = await readFile("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
    return Number.parseInt(range, 10);
  } catch {
    return LAST + 1;
  }
}

/** The port that could be listened on, undefined when it is taken. */
async function listenOnce(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen({ port, host: "127.0.0.1", exclusive: true });
    await once(server, "listening");
    const address = server.address();
    return typeof address === "object" ? address?.port : undefined;
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}
