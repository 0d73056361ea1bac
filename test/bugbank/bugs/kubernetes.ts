import type { Bug } from "../edit.ts";

/** In what is asked of the API server. */
export const KUBERNETES_BUGS: readonly Bug[] = [
  {
    name: "a status is written over whatever is there",
    file: "src/kubernetes/resource-client.ts",
    sound: "metadata: { namespace, name, uid, resourceVersion }, status",
    broken: "metadata: { namespace, name, uid }, status",
    caughtBy: ["test/unit/kubernetes/resource-client.test.ts"],
  },
  {
    name: "a resource whose time is up is deleted although it was edited meanwhile",
    file: "src/kubernetes/resource-client.ts",
    sound: "preconditions: { uid, resourceVersion },",
    broken: "preconditions: { uid },",
    caughtBy: ["test/unit/kubernetes/resource-client.test.ts"],
  },
  {
    name: "an object is missing because its namespace is",
    file: "src/kubernetes/resource-client.ts",
    sound:
      '        await transport.request({ method: "GET", path: `/api/v1/namespaces/${namespace}` });\n',
    broken: "",
    caughtBy: ["test/unit/kubernetes/resource-client.test.ts"],
  },
];
