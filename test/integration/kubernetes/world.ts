import { setTimeout as sleep } from "node:timers/promises";
import { objectKey, type KubernetesObject } from "../../../src/api/meta.ts";
import { Reflector, type CacheChange } from "../../../src/kubernetes/reflector.ts";
import { createTransport, type Transport } from "../../../src/kubernetes/transport.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import type { Cluster } from "../../support/control-plane.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";

export interface Widget extends KubernetesObject {
  readonly spec: { readonly size: number; readonly color?: string };
  readonly status?: { readonly note?: string };
}

export const WIDGETS = {
  group: "test.steward.dev",
  version: "v1",
  plural: "widgets",
  kind: "Widget",
} as const;

/** A CRD with what matters of the real ones: a status subresource, a required spec, defaults. */
const CRD = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.test.steward.dev" },
  spec: {
    group: WIDGETS.group,
    scope: "Namespaced",
    names: { plural: WIDGETS.plural, singular: "widget", kind: WIDGETS.kind },
    versions: [
      {
        name: WIDGETS.version,
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            required: ["spec"],
            properties: {
              spec: {
                type: "object",
                required: ["size"],
                properties: {
                  size: { type: "integer" },
                  color: { type: "string", default: "red" },
                },
              },
              status: {
                type: "object",
                default: { note: "not looked at" },
                properties: { note: { type: "string" } },
              },
            },
          },
        },
      },
    ],
  },
};

/** Installs the kind and waits until the API server serves it. */
export async function installWidgets(cluster: Cluster): Promise<void> {
  await must(cluster, ["apply", "-f", "-"], CRD);
  await must(cluster, ["wait", "--for=condition=Established", `crd/${CRD.metadata.name}`]);
}

/** kubectl that must succeed; its output. */
export async function must(
  cluster: Cluster,
  args: readonly string[],
  stdin?: object,
): Promise<string> {
  const options = stdin === undefined ? {} : { stdin: JSON.stringify(stdin) };
  const { code, stdout, stderr } = await cluster.kubectl(args, options);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
  return stdout;
}

export function manifest(namespace: string, name: string, size: number): object {
  return {
    apiVersion: "test.steward.dev/v1",
    kind: "Widget",
    metadata: { namespace, name },
    spec: { size },
  };
}

/** `name` to `uid@resourceVersion`, from a source that has nothing of ours in it. */
export async function truth(
  cluster: Cluster,
  namespace: string,
): Promise<Readonly<Record<string, string>>> {
  const items =
    "{range .items[*]}{.metadata.name} {.metadata.uid}@{.metadata.resourceVersion}{'\\n'}{end}";
  const text = await must(cluster, ["get", "widgets", "-n", namespace, "-o", `jsonpath=${items}`]);
  const lines = text.split("\n").filter((line) => line !== "");
  return Object.fromEntries(lines.map((line) => line.split(" ")));
}

export function contents(reflector: Reflector<Widget>): Readonly<Record<string, string>> {
  const entries = [...reflector.list()].map(({ metadata }) => {
    return [metadata.name, `${metadata.uid}@${metadata.resourceVersion}`];
  });
  return Object.fromEntries(entries);
}

/** Waits for a condition; the time-out of the test is what ends it otherwise. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10);
}

export async function connect(kubeconfigPath: string): Promise<Transport> {
  return createTransport({ kubeconfigPath, logger: new RecordingLogger(), clock: systemClock });
}

export interface Watching extends AsyncDisposable {
  readonly reflector: Reflector<Widget>;
  /** `type name`, with ` initially` after those of the first list. */
  readonly told: string[];
  readonly logger: RecordingLogger;
  /** What a follower of the changes believes to be there: key to uid@resourceVersion. */
  readonly followed: Map<string, string>;
}

type ReflectorOptions = ConstructorParameters<typeof Reflector<Widget>>[0];

/** A running reflector that ends with the scope. */
export function follow(
  given: Partial<ReflectorOptions> & Pick<ReflectorOptions, "transport">,
): Watching {
  const told: string[] = [];
  const followed = new Map<string, string>();
  const logger = new RecordingLogger();
  const reflector = new Reflector<Widget>({
    resource: WIDGETS,
    clock: systemClock,
    random: Math.random,
    logger,
    ...given,
    onChange: (change: CacheChange<Widget>) => {
      const { type, object, initial } = change;
      const { name, uid, resourceVersion } = object.metadata;
      told.push(`${type} ${name}${initial ? " initially" : ""}`);
      if (type === "deleted") followed.delete(objectKey(object.metadata));
      else followed.set(objectKey(object.metadata), `${uid}@${resourceVersion}`);
      given.onChange?.(change);
    },
  });
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  return {
    reflector,
    told,
    logger,
    followed,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}
