/** Where a broker is and what this side says of itself there. */
export interface ServerUrl {
  /** `host:port`, for dialling and for logs: never with credentials. */
  readonly address: string;
  /** The name or the IP address that a certificate must be for. */
  readonly host: string;
  /** True for `tls://`: a connection without TLS is not wanted. */
  readonly tls: boolean;
  readonly credentials: ServerCredentials | undefined;
}

export type ServerCredentials =
  | { readonly token: string }
  | { readonly user: string; readonly pass: string };

const DEFAULT_PORT = 4222;

/**
 * Parses `nats://[user:password@|token@]host[:port]`, or the same with `tls://`. Throws a RangeError on
 * anything else; its message does not repeat the text, which may hold a password.
 */
export function parseServerUrl(text: string): ServerUrl {
  const url = URL.parse(text);
  if (url === null || !isServer(url)) {
    throw new RangeError("not the URL of a NATS server: nats://host:port or tls://host:port");
  }
  return {
    address: `${url.hostname}:${url.port === "" ? DEFAULT_PORT : url.port}`,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    tls: url.protocol === "tls:",
    credentials: credentialsOf(url),
  };
}

function isServer(url: URL): boolean {
  const nothingElse = ["", "/"].includes(url.pathname) && url.search === "" && url.hash === "";
  return ["nats:", "tls:"].includes(url.protocol) && url.hostname !== "" && nothingElse;
}

function credentialsOf(url: URL): ServerCredentials | undefined {
  if (url.username === "") return undefined;
  const user = decoded(url.username);
  return url.password === "" ? { token: user } : { user, pass: decoded(url.password) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
