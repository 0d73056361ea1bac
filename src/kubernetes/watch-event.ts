import { apiErrorFromStatus } from "./api-error.ts";
import { isJsonObject, objectAt, parseJson, stringAt, type JsonObject } from "./json-values.ts";
import { TransportError } from "./transport-error.ts";

/** What a watch can tell of an object. ERROR events never get this far: they end the watch as ApiError. */
export type WatchEventType = "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";

/** One event of a watch. `object` has at least `metadata.resourceVersion`. */
export interface WatchEvent {
  readonly type: WatchEventType;
  readonly object: JsonObject;
  readonly resourceVersion: string;
}

/**
 * Parses one line of a watch. Throws ApiError for an ERROR event (its `Status`), TransportError for
 * anything that is no watch event: then it cannot be known what was missed.
 */
export function parseWatchEvent(request: string, line: string): WatchEvent {
  const parsed = parseJson(line);
  if (!isJsonObject(parsed)) throw new TransportError(`${request}: a line is not a JSON object`);
  const type = stringAt(parsed, "type");
  const object = objectAt(parsed, "object");
  if (type === "ERROR") throw apiErrorFromStatus(request, object);
  const resourceVersion = stringAt(objectAt(object, "metadata"), "resourceVersion");
  if (object === undefined || resourceVersion === undefined || !isWatchEventType(type)) {
    throw new TransportError(`${request}: a line is not a watch event (type ${String(type)})`);
  }
  return { type, object, resourceVersion };
}

function isWatchEventType(type: string | undefined): type is WatchEventType {
  return type === "ADDED" || type === "MODIFIED" || type === "DELETED" || type === "BOOKMARK";
}
