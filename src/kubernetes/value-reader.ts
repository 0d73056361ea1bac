import { ApiError } from "./api-error.ts";
import { isJsonObject, objectAt } from "./json-values.ts";
import { resourcePath, type ResourceType } from "./resource-path.ts";
import { SECRETS } from "./secret.ts";
import type { Transport } from "./transport.ts";

const CONFIG_MAPS: ResourceType = {
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
};

/** An object whose values are read. */
export interface ValueObject {
  readonly kind: "Secret" | "ConfigMap";
  readonly namespace: string;
  readonly name: string;
}

/** The values of an object by their keys, as bytes. "forbidden": whoever asks may not read it. */
export type ReadValues = ReadonlyMap<string, Uint8Array> | "notFound" | "forbidden";

/**
 * Reads Secrets and ConfigMaps one by one, each time from the API server, and keeps nothing of them. Throws as the
 * transport does, in words that have nothing of a value in them.
 */
export function createValueReader(transport: Pick<Transport, "request">): {
  read(object: ValueObject): Promise<ReadValues>;
} {
  return {
    read: async ({ kind, namespace, name }) => {
      const resource = kind === "Secret" ? SECRETS : CONFIG_MAPS;
      const path = resourcePath(resource, namespace, name);
      try {
        const { body } = await transport.request({ method: "GET", path });
        return kind === "Secret" ? valuesAt(body, "data", "base64") : configMapValues(body);
      } catch (thrown) {
        if (!(thrown instanceof ApiError)) throw thrown;
        if (thrown.isForbidden()) return "forbidden";
        // A proxy's 404 says nothing of the object.
        if (thrown.isNotFound() && thrown.details.name === name) return "notFound";
        throw thrown;
      }
    },
  };
}

function configMapValues(body: unknown): ReadonlyMap<string, Uint8Array> {
  return new Map([...valuesAt(body, "data", "utf8"), ...valuesAt(body, "binaryData", "base64")]);
}

function valuesAt(
  body: unknown,
  field: string,
  encoding: "base64" | "utf8",
): ReadonlyMap<string, Uint8Array> {
  const values = isJsonObject(body) ? objectAt(body, field) : undefined;
  return new Map(
    Object.entries(values ?? {}).flatMap(([key, value]): [string, Uint8Array][] =>
      typeof value === "string" ? [[key, Buffer.from(value, encoding)]] : [],
    ),
  );
}
