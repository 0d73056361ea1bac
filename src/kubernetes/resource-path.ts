/** How a kind is addressed. `group` is empty for the core group; `plural` is what stands in URLs. */
export interface ResourceType {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
}

/** `group/version`, or the bare version for the core group: what stands in `apiVersion`. */
export function apiVersionOf(resource: Pick<ResourceType, "group" | "version">): string {
  return resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
}

/**
 * The URL path of a resource: all of it, of one namespace, one object, or a subresource of one object.
 * Shape: `/apis/GROUP/VERSION[/namespaces/NS]/PLURAL[/NAME[/SUBRESOURCE]]`, `/api/v1/…` for the core group.
 */
export function resourcePath(
  resource: Pick<ResourceType, "group" | "version" | "plural">,
  namespace?: string,
  name?: string,
  subresource?: string,
): string {
  const root = resource.group === "" ? ["api"] : ["apis", resource.group];
  const scope = namespace === undefined ? [] : ["namespaces", namespace];
  const object = [name, subresource].filter((part) => part !== undefined);
  const parts = [...root, resource.version, ...scope, resource.plural, ...object];
  return `/${parts.map(encodeURIComponent).join("/")}`;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** The path with its query; undefined values are left out. */
export function withQuery(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) params.set(key, String(value));
  }
  return params.size === 0 ? path : `${path}?${params.toString()}`;
}
