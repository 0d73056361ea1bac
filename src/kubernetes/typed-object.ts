import type { KubernetesObject } from "../api/meta.ts";
import { isJsonObject, objectAt, stringAt, type JsonObject } from "./json-values.ts";
import { apiVersionOf, type ResourceType } from "./resource-path.ts";
import { TransportError } from "./transport-error.ts";

/**
 * An object as the API server sent it, as the type that mirrors its schema. `managedFields` is left out
 * (it is two thirds of a small object), and kind and apiVersion are filled in where a list leaves them
 * out. Throws TransportError for what has no identity.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the one border where T begins
export function toTypedObject<T extends KubernetesObject>(
  resource: ResourceType,
  value: unknown,
): T {
  const object = isJsonObject(value) ? value : {};
  const metadata = objectAt(object, "metadata");
  if (metadata === undefined || !hasIdentity(metadata)) {
    throw new TransportError(`the API server sent something that is no ${resource.kind}`);
  }
  const { managedFields: _, ...kept } = metadata;
  const typed: unknown = {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    ...object,
    metadata: kept,
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server validated it by its CRD
  return typed as T;
}

function hasIdentity(metadata: JsonObject): boolean {
  return ["name", "namespace", "uid", "resourceVersion"].every(
    (field) => stringAt(metadata, field) !== undefined,
  );
}
