import { connect as secure, TLSSocket } from "node:tls";
import { once } from "node:events";
import type { Socket } from "node:net";

import { NatsFrames } from "./nats-frames.ts";

/** What lets a proxy read a connection to the broker: it is the broker to the client. PEM. */
export interface BrokerIdentity {
  readonly certificate: string;
  readonly key: string;
  /** Of the broker itself. */
  readonly ca: string;
}

export interface Ends {
  readonly client: Socket;
  readonly upstream: Socket;
}

/**
 * Passes the broker's greeting on, which is not encrypted, and makes the two encrypted connections that are agreed on
 * then. Rejects when one of the sockets fails before. `heard` resolves when the link lets something pass.
 */
export async function encryptedEnds(
  { client, upstream }: Ends,
  { certificate, key, ca }: BrokerIdentity,
  heard: () => Promise<void>,
): Promise<Ends> {
  const greeting = await firstLine(upstream);
  await heard();
  client.write(greeting);
  return {
    client: new TLSSocket(client, { isServer: true, cert: certificate, key }),
    upstream: secure({ socket: upstream, ca, host: "127.0.0.1" }),
  };
}

/** What a server says before it hears anything. */
async function firstLine(socket: Socket): Promise<Buffer> {
  const frames = new NatsFrames();
  const ended = new AbortController();
  socket.once("close", () => ended.abort());
  for (;;) {
    const chunks: unknown[] = await once(socket, "data", { signal: ended.signal });
    const [frame] = chunks.flatMap((chunk) => (Buffer.isBuffer(chunk) ? frames.push(chunk) : []));
    if (frame !== undefined) return frame.bytes;
  }
}
