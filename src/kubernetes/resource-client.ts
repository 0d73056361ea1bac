import type { KubernetesObject, ObjectMeta } from "../api/meta.ts";
import { ApiError } from "./api-error.ts";
import { isJsonObject } from "./json-values.ts";
import { apiVersionOf, resourcePath, type ResourceType } from "./resource-path.ts";
import type { Transport } from "./transport.ts";
import { toTypedObject } from "./typed-object.ts";

/** The metadata that a creator may choose. One of `name` and `generateName` must be there. */
export interface NewObjectMeta {
  readonly namespace: string;
  readonly name?: string;
  readonly generateName?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
}

/** meta/v1 OwnerReference: the owner is in the same namespace. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** An object as its creator writes it: apiVersion and kind are the client's. */
export type NewObject<T extends KubernetesObject> = Omit<
  T,
  "apiVersion" | "kind" | "metadata" | "status"
> & { readonly metadata: NewObjectMeta };

/** What names one incarnation and one version of an object. */
export interface ObjectVersion {
  readonly metadata: Pick<ObjectMeta, "namespace" | "name" | "uid" | "resourceVersion">;
}

/** Reads and writes of one namespaced resource. Objects come back without managedFields. */
export interface ResourceClient<T extends KubernetesObject> {
  /**
   * A quorum read. Undefined only on the server's word that this object is not there, in a namespace that
   * is; a missing resource type or namespace throws.
   */
  get(namespace: string, name: string): Promise<T | undefined>;
  create(object: NewObject<T>): Promise<T>;
  /**
   * Replaces all but the status by what the object says, of exactly this version of exactly this incarnation.
   * ApiError as for `updateStatus`.
   */
  update(object: T): Promise<T>;
  /**
   * Changes what the merge patch (RFC 7386) says of whatever is there: null removes a field. With a uid and a
   * resourceVersion in its metadata, of exactly that version. ApiError as for `updateStatus`.
   */
  patch(namespace: string, name: string, mergePatch: object): Promise<T>;
  /**
   * Replaces the status, and nothing else, of exactly this version of exactly this incarnation: ApiError
   * with `isConflict()` when the object has changed or was re-created, `isNotFound()` when it is gone.
   */
  updateStatus(object: ObjectVersion, status: unknown): Promise<T>;
  /**
   * Deletes exactly this version of exactly this incarnation; what it owns is collected afterwards. Resolves
   * to the object if something (a finalizer of others) still holds it. ApiError as for `updateStatus`.
   */
  delete(object: ObjectVersion): Promise<T | undefined>;
}

export function createResourceClient<T extends KubernetesObject>(
  transport: Pick<Transport, "request">,
  resource: ResourceType,
): ResourceClient<T> {
  const { kind } = resource;
  const apiVersion = apiVersionOf(resource);
  return {
    get: async (namespace, name) => {
      const path = resourcePath(resource, namespace, name);
      try {
        const { body } = await transport.request({ method: "GET", path });
        return toTypedObject<T>(resource, body);
      } catch (thrown) {
        if (!(thrown instanceof ApiError) || !isObjectNotFound(thrown, resource, name))
          throw thrown;
        // The server answers the same for an object in a namespace that is not there, as in a cluster that
        // is being rebuilt: that says nothing about the object.
        await transport.request({ method: "GET", path: `/api/v1/namespaces/${namespace}` });
        return undefined;
      }
    },
    create: async (object) => {
      const path = resourcePath(resource, object.metadata.namespace);
      const { body } = await transport.request({
        method: "POST",
        path,
        body: { apiVersion, kind, ...object },
      });
      return toTypedObject<T>(resource, body);
    },
    update: async (object) => {
      const { namespace, name } = object.metadata;
      const path = resourcePath(resource, namespace, name);
      const { body } = await transport.request({ method: "PUT", path, body: object });
      return toTypedObject<T>(resource, body);
    },
    patch: async (namespace, name, mergePatch) => {
      const { body } = await transport.request({
        method: "PATCH",
        path: resourcePath(resource, namespace, name),
        body: mergePatch,
        contentType: "application/merge-patch+json",
      });
      return toTypedObject<T>(resource, body);
    },
    updateStatus: async ({ metadata }, status) => {
      const { namespace, name, uid, resourceVersion } = metadata;
      // Everything but status is ignored by the status subresource of a CustomResource, so nothing but
      // the identity needs sending: half the bytes of a PUT of the whole object.
      const { body } = await transport.request({
        method: "PUT",
        path: resourcePath(resource, namespace, name, "status"),
        body: { apiVersion, kind, metadata: { namespace, name, uid, resourceVersion }, status },
      });
      return toTypedObject<T>(resource, body);
    },
    delete: async ({ metadata }) => {
      const { namespace, name, uid, resourceVersion } = metadata;
      const { body } = await transport.request({
        method: "DELETE",
        path: resourcePath(resource, namespace, name),
        body: {
          apiVersion: "v1",
          kind: "DeleteOptions",
          preconditions: { uid, resourceVersion },
          propagationPolicy: "Background",
        },
      });
      return isStatus(body) ? undefined : toTypedObject<T>(resource, body);
    },
  };
}

/** What a delete that is done is answered with, instead of the object. */
function isStatus(body: unknown): boolean {
  return isJsonObject(body) && body["kind"] === "Status";
}

/** The Status of a 404 names what is missing; without that it is a missing type, or a proxy's answer. */
function isObjectNotFound(error: ApiError, resource: ResourceType, name: string): boolean {
  const { details } = error;
  return (
    error.isNotFound() &&
    error.reason === "NotFound" &&
    details.name === name &&
    (details.group ?? "") === resource.group &&
    (details.kind === resource.plural || details.kind === resource.kind)
  );
}
