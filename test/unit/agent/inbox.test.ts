import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ControllerClock } from "../../../src/agent/controller-clock.ts";
import { Inbox } from "../../../src/agent/inbox.ts";
import { Ledger } from "../../../src/agent/ledger.ts";
import { shellcommand } from "../../../src/agent/methods/shellcommand.ts";
import { Readiness } from "../../../src/agent/readiness.ts";
import { ackMessage, type Ack } from "../../../src/protocol/ack.ts";
import { commandMessage } from "../../../src/protocol/command.ts";
import { decodeMessage, encodeMessage } from "../../../src/protocol/envelope.ts";
import { commandSubject, CONTROLLER_INBOX, nodeInbox } from "../../../src/protocol/subjects.ts";
import { ErrorKernel } from "../../../src/runtime/errorkernel.ts";
import { NoticeLog } from "../../../src/runtime/notice-log.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { CLUSTER_ID, command } from "./controller-side.ts";
import { MemoryBroker } from "./memory-bus.ts";
import { settle } from "./settle.ts";

const TIME = "2026-11-24T06:00:00.000Z";
const SESSION_ID = "5e5510f0-0000-4000-8000-000000000001";

let broker: MemoryBroker;
let ledger: Ledger;
let acks: Ack[];
/** What happens, in its order. */
let seen: string[];
let onStep: (step: string) => void;

beforeEach(async () => {
  [broker, acks, seen, onStep] = [new MemoryBroker(), [], [], () => undefined];
  ledger = Ledger.open(":memory:", randomUUID);
  await ledger.pinCluster(CLUSTER_ID);
  const clock = new FakeClock();
  const logger = new RecordingLogger();
  const controllerClock = new ControllerClock(clock);
  controllerClock.set(Date.parse(TIME));
  const readiness = new Readiness(clock);
  readiness.setReady();
  const inbox = new Inbox({
    node: "ship1",
    namespace: "default",
    sessionID: SESSION_ID,
    bus: broker.connect(nodeInbox("ship1")),
    newID: randomUUID,
    kernel: new ErrorKernel({ logger, onShutdown: () => undefined }),
    notices: new NoticeLog(logger),
    ledger,
    controllerClock,
    readiness,
    methods: [shellcommand],
    onHelloRequest: () => undefined,
    steps: {
      reached: (step) => {
        seen.push(step);
        onStep(step);
      },
    },
    runs: {
      start: () => void seen.push("started"),
      end: () => undefined,
      resultDue: () => undefined,
    },
  });
  void inbox.run(new AbortController().signal);
});
afterEach(() => {
  ledger.close();
});

async function offer(): Promise<void> {
  const offered = command({ sessionID: SESSION_ID, signedAt: TIME });
  const reply = broker.expectReply(CONTROLLER_INBOX, (data) => {
    seen.push("answered");
    acks.push(decodeMessage(ackMessage, data));
  });
  const subject = commandSubject("ship1", "shellcommand");
  broker.deliver(subject, encodeMessage(commandMessage, offered), reply);
  await settle();
}

/** Comes into the same transaction, after what is in it already. */
function failTheCommit(): void {
  const failing = ledger.commit(() => {
    throw new Error("the disk is full");
  });
  failing.catch(() => undefined);
}

test("a run starts, and its answer leaves, only after the commit", async () => {
  await offer();
  expect(acks).toMatchObject([{ answer: "accepted" }]);
  const committed = ["accepted.committing", "accepted.committed"];
  expect(seen).toEqual([...committed, "started", "ack.sending", "answered", "ack.sent"]);
});

test("what the ledger could not commit is not started, and the answer says so", async () => {
  onStep = (step) => {
    if (step === "accepted.committing") queueMicrotask(failTheCommit);
  };
  await offer();
  expect(acks).toMatchObject([{ answer: "refused", reason: "JournalUnavailable" }]);
  expect(seen).not.toContain("started");
});
