import { ApiError } from "./api-error.ts";
import { LEASES, type Lease, type LeaseSpec } from "./lease.ts";
import { apiVersionOf, resourcePath } from "./resource-path.ts";
import type { Transport } from "./transport.ts";
import { toTypedObject } from "./typed-object.ts";

/** Reads and writes of one Lease. They throw what the transport throws. */
export interface LeaseClient {
  /** A quorum read. Undefined after any 404: a create never overwrites anything. */
  read(signal: AbortSignal): Promise<Lease | undefined>;
  /** ApiError with `isAlreadyExists()` when somebody else was faster. */
  create(spec: LeaseSpec, signal: AbortSignal): Promise<Lease>;
  /** Replaces exactly this version; ApiError with `isConflict()` when it was written to, or is gone. */
  replace(lease: Lease, spec: LeaseSpec, signal: AbortSignal): Promise<Lease>;
}

export function createLeaseClient(
  transport: Pick<Transport, "request">,
  namespace: string,
  name: string,
): LeaseClient {
  const path = resourcePath(LEASES, namespace, name);
  return {
    read: async (signal) => {
      try {
        const { body } = await transport.request({ method: "GET", path, signal });
        return toTypedObject<Lease>(LEASES, body);
      } catch (thrown) {
        if (thrown instanceof ApiError && thrown.isNotFound()) return undefined;
        throw thrown;
      }
    },
    create: async (spec, signal) => {
      const { body } = await transport.request({
        method: "POST",
        path: resourcePath(LEASES, namespace),
        body: {
          apiVersion: apiVersionOf(LEASES),
          kind: LEASES.kind,
          metadata: { namespace, name },
          spec,
        },
        signal,
      });
      return toTypedObject<Lease>(LEASES, body);
    },
    // The metadata goes along for its resourceVersion, and for its uid: the API server makes a create of
    // the PUT of a Lease that is gone, unless the uid forbids it.
    replace: async (lease, spec, signal) => {
      const { body } = await transport.request({
        method: "PUT",
        path,
        body: { ...lease, spec },
        signal,
      });
      return toTypedObject<Lease>(LEASES, body);
    },
  };
}
