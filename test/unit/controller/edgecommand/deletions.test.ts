import { expect, test } from "vitest";

import {
  AbsentRuns,
  ABSENT_FOR_MS,
  type NamedRun,
} from "../../../../src/controller/edgecommand/absent-runs.ts";
import { Deletions, MAX_DELETIONS } from "../../../../src/controller/edgecommand/deletions.ts";
import type { NodeView } from "../../../../src/controller/edgecommand/observe.ts";
import { ANYONE, NO_SIGNERS } from "../../../../src/protocol/signature.ts";
import { CONTROLLER_INBOX } from "../../../../src/protocol/subjects.ts";
import { edgeCommand, OTHER_UID, SESSION_ID } from "../../../support/builders.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { FakeStore } from "../../../support/fake-store.ts";
import { RecordingLogger } from "../../../support/recording-logger.ts";
import { MemoryBroker } from "../../agent/memory-bus.ts";

const NODE = "default/ship1";

function uidOf(index: number): string {
  return `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`;
}

const absent = (): boolean => true;

function run(uid: string, runID: string): NamedRun {
  return { name: "uptime", uid, runID, state: "Running" };
}

test("more deletions than are held drop the oldest, and no more than that", () => {
  const due: string[] = [];
  let view: NodeView = { kind: "away", message: "" };
  const deletions = new Deletions({
    commands: new FakeStore("EdgeCommand", () => undefined),
    nodes: {
      view: () => view,
      silentMs: () => 0,
      markUnreachable: () => undefined,
      askForHello: () => undefined,
    },
    bus: new MemoryBroker().connect(CONTROLLER_INBOX),
    security: { signers: NO_SIGNERS, trustOf: () => ANYONE },
    rejections: { refuse: () => undefined },
    clock: new FakeClock(),
    random: () => 1,
    logger: new RecordingLogger(),
    clusterID: () => OTHER_UID,
    mayAct: () => true,
    requeue: (uid) => due.push(uid),
  });
  for (let index = 0; index < MAX_DELETIONS + 2; index += 1) {
    deletions.deleted(edgeCommand({ uid: uidOf(index) }));
    deletions.deleted(edgeCommand({ uid: uidOf(index) }));
  }
  expect(due).toHaveLength(MAX_DELETIONS + 2);
  due.length = 0;
  view = { kind: "present", sessionID: SESSION_ID };
  deletions.wake(NODE);
  expect(due).toHaveLength(MAX_DELETIONS);
  expect(due[0]).toBe(uidOf(2));
  deletions.forgetNode(NODE);
  due.length = 0;
  deletions.wake(NODE);
  expect(due).toEqual([]);
});

test("runs of one node are told apart by uid and run, those of several nodes by the node", () => {
  const runs = new AbsentRuns();
  const [first, second] = [run(uidOf(1), uidOf(2)), run(uidOf(1), uidOf(3))];
  expect(runs.observe("a/x", [first], absent, 0)).toEqual([]);
  expect(runs.observe("a/x", [first, second], absent, ABSENT_FOR_MS - 1)).toEqual([]);
  expect(runs.observe("b/x", [first], absent, ABSENT_FOR_MS)).toEqual([]);
  expect(runs.observe("a/x", [first, second], absent, ABSENT_FOR_MS)).toEqual([first]);
  expect(runs.observe("a/x", [first, second], absent, 2 * ABSENT_FOR_MS - 1)).toEqual([second]);
  runs.forget("a/x");
  expect(runs.observe("a/x", [first, second], absent, 9 * ABSENT_FOR_MS)).toEqual([]);
});
