import { parsedJson } from "../runtime/json.ts";
import { KeySetError } from "./key-set-layout.ts";

/** `servers.json`: the URLs at which agents dial the broker. Throws a KeySetError. */
export function parseServers(text: string): readonly string[] {
  const servers = parsedJson(text);
  if (Array.isArray(servers) && servers.length > 0 && servers.every(isString)) return servers;
  throw new KeySetError("enrollment/servers.json", 'expected ["tls://host:port", …]');
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}
