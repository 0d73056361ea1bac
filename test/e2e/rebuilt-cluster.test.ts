import { expect, test } from "vitest";

import { startGuardian } from "../../dev/controlplane/guard.ts";
import { controllerProcess } from "../../dev/fleet.ts";
import { sharedControlPlane } from "../support/control-plane.ts";
import { Fleet } from "../support/fleet.ts";
import { recordedIn, timesRun } from "../support/truth.ts";

const OTHER_CLUSTER = "99999999-0000-4000-8000-000000000009";

test("a node obeys the cluster that it belongs to, rebuilt or not, and what it has run is AlreadyRan", async () => {
  const cluster = sharedControlPlane();
  await using fleet = await Fleet.start(cluster, ["ship1"]);
  await using guardian = await startGuardian();
  const { kubeconfigPath, natsUrl, keysDir } = cluster;
  const controllerOf = (clusterID: string): ReturnType<typeof controllerProcess> => {
    const serving = ["--namespace", fleet.namespace, "--no-leader-elect"];
    const access = { guardian, kubeconfigPath, natsUrl, keysDir };
    return controllerProcess(`of-${clusterID}`, access, [...serving, "--cluster-id", clusterID]);
  };
  const truth = fleet.truthPath("once");
  const spec = { nodeName: "ship1", method: "shellcommand", args: [recordedIn(truth)] };
  await fleet.apply("once", spec);
  await fleet.completed("once");

  // All that the cluster knew is gone, and its YAML is applied again.
  const node = await fleet.publicKey("ship1");
  await fleet.controller.stop();
  await fleet.kubectl(["delete", "ec,en", "--all"]);
  await fleet.declareNode("ship1", { publicKey: node });
  await fleet.apply("once", spec);
  const stranger = await controllerOf(OTHER_CLUSTER).start();
  expect(await fleet.untilPhase("once", "WaitingForNode")).toMatchObject({
    run: { reason: "NodeAway" },
  });
  await stranger.stop();

  const args = ["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"];
  const rebuilt = await controllerOf(await fleet.kubectl(args)).start();
  expect(await fleet.completed("once")).toMatchObject({
    phase: "Succeeded",
    run: { reason: "AlreadyRan" },
  });
  expect(await timesRun(truth)).toBe(1);
  await rebuilt.stop();
});
