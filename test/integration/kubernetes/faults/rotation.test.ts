import { writeFile } from "node:fs/promises";
import { beforeAll, expect, test } from "vitest";
import { createResourceClient } from "../../../../src/kubernetes/resource-client.ts";
import { makeCertificate } from "../../../support/certificate.ts";
import { createNamespace, sharedControlPlane } from "../../../support/control-plane.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { installWidgets, manifest, must, until, WIDGETS, type Widget } from "../world.ts";
import { asked, followPatiently, forever, isKnown, openPath, untilTrue } from "./world.ts";

const cluster = sharedControlPlane();

beforeAll(() => installWidgets(cluster));

async function apply(namespace: string, name: string): Promise<void> {
  await must(cluster, ["apply", "-f", "-"], manifest(namespace, name, 1));
}

/** A service account that may do all with widgets, and two secrets that its tokens live as long as. */
async function makeServiceAccount(namespace: string): Promise<void> {
  const kubectl = (...args: string[]): Promise<string> => must(cluster, ["-n", namespace, ...args]);
  await kubectl("create", "serviceaccount", "pod");
  await kubectl("create", "role", "widgets", "--verb=*", "--resource=widgets.test.steward.dev");
  const binding = ["--role=widgets", `--serviceaccount=${namespace}:pod`];
  await kubectl("create", "rolebinding", "widgets", ...binding);
  for (const secret of ["first", "second"]) await kubectl("create", "secret", "generic", secret);
}

async function tokenBoundTo(namespace: string, secret: string): Promise<string> {
  const args = ["-n", namespace, "create", "token", "pod"];
  const bound = ["--bound-object-kind=Secret", `--bound-object-name=${secret}`];
  return (await must(cluster, [...args, ...bound])).trim();
}

test("a service account token that rotates is renewed by the watch that is refused for it", async () => {
  const namespace = await createNamespace();
  await makeServiceAccount(namespace);
  await apply(namespace, "kept");
  const token = await tokenBoundTo(namespace, "first");
  await using path = await openPath(cluster, { token });
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, clock, logger } = watching;
  await reflector.synced(forever);

  const next = await tokenBoundTo(namespace, "second");
  await must(cluster, ["delete", "secret", "-n", namespace, "first"]);
  // The API server takes its own word for a token for ten seconds.
  const poll = { interval: 250, timeout: 40_000 };
  await expect.poll(() => isKnown(cluster, path.directory, token), poll).toBe(false);
  await writeFile(path.tokenFile, next);
  path.proxy.breakConnections();
  await until(() => clock.held);
  await apply(namespace, "new");
  clock.pass(1_000);
  await untilTrue(cluster, watching, namespace);

  const widgets = createResourceClient<Widget>(path.transport, WIDGETS);
  await widgets.create({ metadata: { namespace, name: "own" }, spec: { size: 1 } });
  await untilTrue(cluster, watching, namespace);
  expect(asked(path.proxy)).toEqual(["stream", "watch 401", "watch", "POST"]);
  // Of the connection that broke.
  expect(logger.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
});

test("a token file that is empty while it is replaced leaves the last token in place", async () => {
  const namespace = await createNamespace();
  await apply(namespace, "kept");
  const time = new FakeClock();
  await using path = await openPath(cluster, { clock: time });
  await using watching = followPatiently(path.transport, namespace);
  await watching.reflector.synced(forever);

  await writeFile(path.tokenFile, "");
  await time.advance(60_000);
  path.proxy.breakConnections();
  watching.clock.pass(1_000);
  await apply(namespace, "new");
  await untilTrue(cluster, watching, namespace);
  expect(asked(path.proxy)).toEqual(["stream", "watch"]);
});

test("a server of another authority is told nothing, until the CA file is of that authority", async () => {
  const namespace = await createNamespace();
  for (const name of ["kept", "deleted"]) await apply(namespace, name);
  const time = new FakeClock();
  await using path = await openPath(cluster, { clock: time });
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, clock } = watching;
  await reflector.synced(forever);

  const next = await makeCertificate(path.directory, "second");
  path.proxy.present(next);
  path.proxy.breakConnections();
  await until(() => clock.held);
  const backOffMs = 120_000;
  clock.pass(backOffMs);
  await until(() => clock.held);
  expect(asked(path.proxy)).toEqual(["stream"]);
  // The first list's, and one for each try.
  expect(path.tcp.accepted).toBeLessThanOrEqual(1 + backOffMs / 15_000 + 6);
  expect(path.tcp.accepted).toBeGreaterThan(backOffMs / 30_000);

  await apply(namespace, "new");
  await must(cluster, ["delete", "widget", "-n", namespace, "deleted"]);
  await writeFile(path.caFile, next.cert);
  await time.advance(60_000);
  clock.pass(30_000);
  await untilTrue(cluster, watching, namespace);
  expect(asked(path.proxy)).toEqual(["stream", "watch"]);
});
