import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { text } from "node:stream/consumers";

/** A server that accepts and then says nothing is not ready: look again. */
const PROBE_TIMEOUT_MS = 2_000;

export interface ProbeRequest {
  readonly url: string;
  /** PEM; the only authority that is trusted. */
  readonly ca?: string;
  readonly token?: string;
  /** Makes it a POST. */
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** The body of a 200 answer; undefined for any other outcome. */
export async function probeHttp(probe: ProbeRequest): Promise<string | undefined> {
  const signal = AbortSignal.any([probe.signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
  const answered = Promise.withResolvers<string | undefined>();
  const send = probe.url.startsWith("https:") ? httpsRequest : httpRequest;
  const request = send(probe.url, {
    method: probe.body === undefined ? "GET" : "POST",
    headers: probe.token === undefined ? {} : { authorization: `Bearer ${probe.token}` },
    // One connection per probe: a kept one would outlive the server it was made to.
    agent: false,
    signal,
    ...(probe.ca === undefined ? {} : { ca: probe.ca }),
  });
  request.once("error", () => answered.resolve(undefined));
  request.once("response", (response) => {
    text(response).then(
      (body) => answered.resolve(response.statusCode === 200 ? body : undefined),
      () => answered.resolve(undefined),
    );
  });
  request.end(probe.body);
  return answered.promise;
}

/** The first line that a server on 127.0.0.1 sends by itself; undefined when there is none. */
export async function probeFirstLine(
  port: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
  const socket = connect({ port, host: "127.0.0.1", signal: patience });
  const line = Promise.withResolvers<string | undefined>();
  socket.once("error", () => line.resolve(undefined));
  socket.once("close", () => line.resolve(undefined));
  let received = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    received += chunk;
    const end = received.indexOf("\n");
    if (end !== -1) line.resolve(received.slice(0, end));
  });
  try {
    return await line.promise;
  } finally {
    socket.destroy();
  }
}
