import { readJwt } from "../identity/user-jwt.ts";
import { parsedJson } from "../runtime/json.ts";

/** What of the broker's answers in its system account is read here. */
export interface Answer {
  readonly code: number | undefined;
  /** Why it said no. */
  readonly refusal: string | undefined;
  /** Who is connected, on the server that answers; undefined where that was not asked. */
  readonly page: ConnectionsPage | undefined;
}

export interface ConnectionsPage {
  /** Of the connections that are asked about; there may be more than are listed. */
  readonly total: number;
  readonly users: readonly ListedUser[];
}

/** A user with a connection. */
export interface ConnectedUser {
  /** The name in its JWT: of a node, that of the node. */
  readonly name: string;
  readonly publicKey: string;
}

/** With the JWT that the broker says it came in with. */
export interface ListedUser extends ConnectedUser {
  readonly jwt: string;
}

/** Undefined for what is no answer. Fields of other types than expected count as missing. */
export function parseAnswer(text: string): Answer | undefined {
  const answer = parsedJson(text);
  if (!isObject(answer)) return undefined;
  const data = isObject(answer["data"]) ? answer["data"] : {};
  const error = isObject(answer["error"]) ? answer["error"] : undefined;
  return {
    code: numberOf(data["code"]),
    refusal: error === undefined ? undefined : (textOf(error["description"]) ?? "no reason given"),
    page: pageOf(data),
  };
}

function pageOf({ connections, total }: Fields): ConnectionsPage | undefined {
  if (!Array.isArray(connections)) return undefined;
  const users = connections.filter(isObject).flatMap(({ jwt }) => userOf(jwt) ?? []);
  return { total: numberOf(total) ?? connections.length, users };
}

/** Undefined for whoever came in without a JWT, or with a bearer's, which the broker keeps to itself. */
function userOf(jwt: unknown): ListedUser | undefined {
  if (typeof jwt !== "string" || jwt === "") return undefined;
  try {
    const { name, subject } = readJwt(jwt);
    return { name, publicKey: subject, jwt };
  } catch {
    return undefined;
  }
}

type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
