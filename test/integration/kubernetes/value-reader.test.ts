import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Transport } from "../../../src/kubernetes/transport.ts";
import { createValueReader } from "../../../src/kubernetes/value-reader.ts";
import { createNamespace, sharedControlPlane } from "../../support/control-plane.ts";
import { connect, must } from "./world.ts";

const cluster = sharedControlPlane();
let admin: Transport;
let controller: Transport;
let namespace = "";

beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), "steward-values-"));
  namespace = await createNamespace();
  await must(cluster, ["apply", "-n", namespace, "-f", "-"], {
    apiVersion: "v1",
    kind: "List",
    items: [
      secret("login", { data: { token: "czNjcmV0Cg==", binary: "/wA=" } }),
      secret("other", { data: { token: "czNjcmV0Cg==" } }),
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "settings" },
        data: { level: "é\n" },
        binaryData: { binary: "/wA=" },
      },
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "controller" } },
    ],
  });
  const given = ["role", "reader", "--verb=get", "--resource=secrets", "--resource-name=login"];
  await must(cluster, ["create", "-n", namespace, ...given]);
  const to = ["--role=reader", `--serviceaccount=${namespace}:controller`];
  await must(cluster, ["create", "-n", namespace, "rolebinding", "reader", ...to]);
  const token = await must(cluster, ["create", "token", "-n", namespace, "controller"]);
  const kubeconfig = join(dir, "kubeconfig");
  await cp(cluster.kubeconfigPath, kubeconfig);
  const config = ["--kubeconfig", kubeconfig, "config"];
  await must(cluster, [...config, "set-credentials", "controller", `--token=${token.trim()}`]);
  await must(cluster, [...config, "set-context", "--current", "--user=controller"]);
  admin = await connect(cluster.kubeconfigPath);
  controller = await connect(kubeconfig);
  return async () => {
    await Promise.all([admin.close(), controller.close()]);
    await rm(dir, { recursive: true });
  };
});

function secret(name: string, content: object): object {
  return { apiVersion: "v1", kind: "Secret", metadata: { name }, ...content };
}

test("the values of a Secret are its bytes", async () => {
  const values = await createValueReader(admin).read({ kind: "Secret", namespace, name: "login" });
  expect(values).toEqual(
    new Map([
      ["token", Buffer.from("s3cret\n")],
      ["binary", Buffer.of(0xff, 0)],
    ]),
  );
});

test("the values of a ConfigMap are its texts and its bytes", async () => {
  const object = { kind: "ConfigMap", namespace, name: "settings" } as const;
  expect(await createValueReader(admin).read(object)).toEqual(
    new Map([
      ["level", Buffer.from("é\n")],
      ["binary", Buffer.of(0xff, 0)],
    ]),
  );
});

test("a value that has changed is read as it is now", async () => {
  const reader = createValueReader(admin);
  const object = { kind: "Secret", namespace, name: "other" } as const;
  await reader.read(object);
  await must(
    cluster,
    ["apply", "-n", namespace, "-f", "-"],
    secret("other", { data: { a: "YQ==" } }),
  );
  expect(await reader.read(object)).toEqual(new Map([["a", Buffer.from("a")]]));
});

describe("a controller with the right to one Secret", () => {
  test("reads that", async () => {
    const object = { kind: "Secret", namespace, name: "login" } as const;
    expect(await createValueReader(controller).read(object)).toBeInstanceOf(Map);
  });

  test.each([
    { kind: "Secret", name: "other" },
    { kind: "Secret", name: "nobody" },
    { kind: "ConfigMap", name: "settings" },
  ] as const)("reads no other: $kind $name", async (object) => {
    expect(await createValueReader(controller).read({ ...object, namespace })).toBe("forbidden");
  });
});

test.each(["Secret", "ConfigMap"] as const)("a %s that is not there is not found", async (kind) => {
  expect(await createValueReader(admin).read({ kind, namespace, name: "nobody" })).toBe("notFound");
});
