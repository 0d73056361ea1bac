import type { KubernetesObject } from "../api/meta.ts";
import { isJsonObject, objectAt, stringAt } from "./json-values.ts";
import { resourcePath, type ResourceType } from "./resource-path.ts";
import { TransportError } from "./transport-error.ts";
import type { Transport } from "./transport.ts";
import { toTypedObject } from "./typed-object.ts";

const PAGE_SIZE = 500;

/** All objects of a resource, in all namespaces or in one, as they are now. Throws what the transport throws. */
export async function listAll<T extends KubernetesObject>(
  transport: Pick<Transport, "request">,
  resource: ResourceType,
  namespace?: string,
): Promise<readonly T[]> {
  const path = resourcePath(resource, namespace);
  const objects: T[] = [];
  let next: string | undefined;
  do {
    const query = { limit: PAGE_SIZE, continue: next };
    const { body } = await transport.request({ method: "GET", path, query });
    const items = isJsonObject(body) ? body["items"] : undefined;
    if (!isJsonObject(body) || !Array.isArray(items)) {
      throw new TransportError(`the API server sent something that is no list of ${resource.kind}`);
    }
    objects.push(...items.map((item) => toTypedObject<T>(resource, item)));
    next = stringAt(objectAt(body, "metadata"), "continue");
  } while (next !== undefined && next !== "");
  return objects;
}
