import { expect, test } from "vitest";
import { waitForCluster } from "../../../src/kubernetes/cluster.ts";
import type { TransportResponse } from "../../../src/kubernetes/transport.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { InstantClock } from "./fakes.ts";

const body = { metadata: { uid: "c1c1c1c1-0000-4000-8000-000000000001" } };
const DATE = "Tue, 24 Nov 2026 06:00:00 GMT";

function answering(answers: readonly (TransportResponse | Error)[]): {
  ask: (signal?: AbortSignal) => ReturnType<typeof waitForCluster>;
  clock: InstantClock;
} {
  const clock = new InstantClock();
  const left = [...answers];
  const request = async (): Promise<TransportResponse> => {
    clock.pass(40);
    const answer = left.shift() ?? new Error("the script has no further answer");
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const common = { transport: { request }, clock, random: () => 1, logger: new RecordingLogger() };
  return {
    clock,
    ask: (signal = new AbortController().signal) => waitForCluster({ ...common, signal }),
  };
}

test("a cluster is named by its kube-system, and its time is known to a second and the way there", async () => {
  const { ask } = answering([{ status: 200, body, date: DATE }]);
  const earliest = Date.parse(DATE);
  expect(await ask()).toEqual({
    id: body.metadata.uid,
    time: { earliest, latest: earliest + 1_040 },
  });
});

test.each([undefined, "", "yesterday"])("a date of %j is none", async (date) => {
  const { ask } = answering([{ status: 200, body, date }]);
  expect(await ask()).toEqual({ id: body.metadata.uid, time: undefined });
});

test("it is asked for with back-off until the API server answers with a namespace", async () => {
  const { ask, clock } = answering([
    new Error("away"),
    { status: 200, body: "ok" },
    { status: 200, body },
  ]);
  expect(await ask()).toMatchObject({ id: body.metadata.uid });
  expect(clock.slept).toEqual([500, 1_000]);
});

test("nothing is asked for once the signal is aborted", async () => {
  const { ask, clock } = answering([]);
  expect(await ask(AbortSignal.abort())).toBeUndefined();
  expect(clock.slept).toEqual([]);
});
