import { expect, test } from "vitest";
import { waitForCluster } from "../../../src/kubernetes/cluster.ts";
import { steadyClock, systemClock } from "../../../src/runtime/clock.ts";
import { sharedControlPlane } from "../../support/control-plane.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { connect, must } from "./world.ts";

test("a clock that is wrong is set by the API server's, one that is right stays as it is", async () => {
  const cluster = sharedControlPlane();
  await using transport = await connect(cluster.kubeconfigPath);
  const facts = await waitForCluster({
    transport,
    clock: systemClock,
    random: Math.random,
    logger: new RecordingLogger(),
    signal: AbortSignal.timeout(30_000),
  });
  const uid = ["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"];
  expect(facts?.id).toBe(await must(cluster, uid));
  const time = facts?.time;
  if (time === undefined) throw new Error("the API server does not tell the time");
  const right = new FakeClock((time.earliest + time.latest) / 2);
  expect(steadyClock(right).agreeWith(time, 2_000)).toBe(0);
  // The server is on this machine, whose clock no test sets.
  expect(time.earliest).toBeLessThanOrEqual(systemClock.now());
  const hour = 3_600_000;
  const wrong = steadyClock(new FakeClock(time.earliest - hour));
  expect(wrong.agreeWith(time, 2_000)).toBeGreaterThan(hour - 1);
});
