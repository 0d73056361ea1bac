import { isJsonObject, numberAt, objectAt, parseJson, stringAt } from "./json-values.ts";

/** The object that a `Status` is about, as the server names it; `kind` is mostly the plural. */
export interface StatusDetails {
  readonly group?: string;
  readonly kind?: string;
  readonly name?: string;
}

interface ApiErrorFields {
  readonly status: number;
  readonly reason: string;
  readonly details: StatusDetails;
  readonly retryAfterMs?: number;
}

/** How much of an answer that is no `Status` (a proxy's HTML) is kept as the message. */
const FOREIGN_MESSAGE_CHARS = 300;

/**
 * The API server, or a proxy before it, refused the request: an answer came, so nothing was written.
 * (One exception: a 5xx to a write may stand for a write that was done, as a 504 says of itself.)
 * `status` is the HTTP status or, for an error inside a watch, the `code` of its `Status`; `reason` is the
 * machine-readable reason (meta/v1 StatusReason), empty when the answer was no `Status`.
 */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly reason: string;
  readonly details: StatusDetails;
  /** How long the server asks to wait, where it does (429, some 500 and 503). */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, fields: ApiErrorFields) {
    super(message);
    this.status = fields.status;
    this.reason = fields.reason;
    this.details = fields.details;
    this.retryAfterMs = fields.retryAfterMs;
  }

  isUnauthorized(): boolean {
    return this.status === 401;
  }

  /** Whoever asks has no right to it. */
  isForbidden(): boolean {
    return this.status === 403;
  }

  /** The object, its type or its namespace is not there; `details` tells which. */
  isNotFound(): boolean {
    return this.status === 404;
  }

  /** The resourceVersion or the uid was not that of the live object. */
  isConflict(): boolean {
    return this.status === 409 && this.reason !== "AlreadyExists";
  }

  isAlreadyExists(): boolean {
    return this.status === 409 && this.reason === "AlreadyExists";
  }

  /** The resourceVersion or `continue` token is older than what the server remembers. */
  isGone(): boolean {
    return this.status === 410;
  }

  isTooManyRequests(): boolean {
    return this.status === 429;
  }

  /** The server's own trouble, or too much load: the same request may succeed later. */
  isTransient(): boolean {
    return this.status >= 500 || this.status === 429 || this.status === 408;
  }
}

/** Makes an error of a refused request. `body` is its text, `retryAfter` the header of that name. */
export function apiErrorFromResponse(
  request: string,
  status: number,
  body: string,
  retryAfter?: string,
): ApiError {
  const parsed = parseJson(body);
  const headerMs = retryAfterMs(retryAfter);
  if (isJsonObject(parsed) && parsed["kind"] === "Status") {
    return apiErrorFromStatus(request, { code: status, ...parsed }, headerMs);
  }
  const text = body.slice(0, FOREIGN_MESSAGE_CHARS).trim();
  const fields = { status, reason: "", details: {} };
  const message = `${request}: ${status} ${text === "" ? "(no message)" : text}`;
  return new ApiError(
    message,
    headerMs === undefined ? fields : { ...fields, retryAfterMs: headerMs },
  );
}

/** Makes an error of a `Status` object (meta/v1), as an answer or as the ERROR event of a watch. */
export function apiErrorFromStatus(request: string, value: unknown, headerMs?: number): ApiError {
  const parsed = isJsonObject(value) ? value : {};
  const details = objectAt(parsed, "details");
  const status = numberAt(parsed, "code") ?? 500;
  const reason = stringAt(parsed, "reason") ?? "";
  const bodySeconds = numberAt(details, "retryAfterSeconds");
  const waitMs = headerMs ?? (bodySeconds === undefined ? undefined : bodySeconds * 1_000);
  const message = stringAt(parsed, "message") ?? "(no message)";
  return new ApiError(`${request}: ${status} ${reason}: ${message}`, {
    status,
    reason,
    details: detailsOf(details),
    ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
  });
}

function detailsOf(details: ReturnType<typeof objectAt>): StatusDetails {
  const group = stringAt(details, "group");
  const kind = stringAt(details, "kind");
  const name = stringAt(details, "name");
  return {
    ...(group === undefined ? {} : { group }),
    ...(kind === undefined ? {} : { kind }),
    ...(name === undefined ? {} : { name }),
  };
}

/** Kubernetes sends whole seconds (never a date), and so do the proxies that matter. */
function retryAfterMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d+$/.test(header.trim()) ? Number(header) * 1_000 : undefined;
}
