import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ControllerClock } from "../../../src/agent/controller-clock.ts";
import { Inbox } from "../../../src/agent/inbox.ts";
import { Ledger } from "../../../src/agent/ledger.ts";
import type { Permission } from "../../../src/agent/command-permits.ts";
import { Readiness } from "../../../src/agent/readiness.ts";
import { UntrustedReports } from "../../../src/agent/untrusted-reports.ts";
import { ackMessage, type Ack } from "../../../src/protocol/ack.ts";
import { commandMessage } from "../../../src/protocol/command.ts";
import { decodeReply, encodeMessage } from "../../../src/protocol/envelope.ts";
import { helloRequestMessage, type HelloRequest } from "../../../src/protocol/hello.ts";
import type { Signer } from "../../../src/protocol/signature.ts";
import {
  commandSubject,
  CONTROLLER_INBOX,
  helloRequestSubject,
  nodeInbox,
  withdrawalSubject,
} from "../../../src/protocol/subjects.ts";
import { withdrawalMessage } from "../../../src/protocol/withdrawal.ts";
import { ErrorKernel, type ProcessError } from "../../../src/runtime/errorkernel.ts";
import { NoticeLog } from "../../../src/runtime/notice-log.ts";
import { agentSecurity, TRUST_IN_NODE } from "../../support/agent-security.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { PERMITTED } from "../../support/standings.ts";
import { CONTROLLER_SIGNERS, NODE_SIGNERS, TOKEN_KEY } from "../../support/test-keys.ts";
import { signerOf } from "../../../src/identity/signatures.ts";
import { CLUSTER_ID, command, withdrawal } from "./controller-side.ts";
import { MemoryBroker } from "./memory-bus.ts";
import { settle } from "./settle.ts";

const TIME = "2026-11-24T06:00:00.000Z";
const SESSION_ID = "5e5510f0-0000-4000-8000-000000000001";

let broker: MemoryBroker;
let ledger: Ledger;
let acks: Ack[];
let clock: FakeClock;
let reports: ProcessError[];
let hellos: number;
/** What happens, in its order. */
let seen: string[];
let onStep: (step: string) => void;
let permission: Permission;

beforeEach(async () => {
  [broker, acks, seen, onStep] = [new MemoryBroker(), [], [], () => undefined];
  [clock, reports, hellos, permission] = [new FakeClock(), [], 0, PERMITTED];
  ledger = Ledger.open(":memory:", randomUUID);
  await ledger.pinCluster(CLUSTER_ID);
  const logger = new RecordingLogger();
  const controllerClock = new ControllerClock(clock);
  controllerClock.set(Date.parse(TIME));
  const readiness = new Readiness(clock);
  readiness.setReady();
  const kernel = new ErrorKernel({
    logger,
    onReport: (report) => reports.push(report),
    onShutdown: () => undefined,
  });
  const inbox = new Inbox({
    node: "ship1",
    namespace: "default",
    sessionID: SESSION_ID,
    bus: broker.connect(nodeInbox("ship1")),
    newID: randomUUID,
    kernel,
    security: agentSecurity(),
    untrusted: new UntrustedReports({ clock, kernel }),
    notices: new NoticeLog(logger),
    ledger,
    controllerClock,
    readiness,
    permits: { permission: async () => permission },
    onHelloRequest: () => {
      hellos += 1;
    },
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
  await send(COMMANDS, signedCommand(CONTROLLER_SIGNERS));
}

const COMMANDS = commandSubject("ship1", "shellcommand");

function signedCommand(signers: readonly Signer[]): Uint8Array {
  const offered = command({ sessionID: SESSION_ID, signedAt: TIME });
  return encodeMessage(commandMessage, offered, signers);
}

/** Sends a request to the agent; its answer must be signed by the node and belong to these very bytes. */
async function send(subject: string, request: Uint8Array): Promise<void> {
  const reply = broker.expectReply(CONTROLLER_INBOX, (data) => {
    seen.push("answered");
    acks.push(decodeReply(ackMessage, data, { request, trust: TRUST_IN_NODE }));
  });
  broker.deliver(subject, request, reply);
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

test("what the node may not do is accepted as a run that is over, and its result is due", async () => {
  const end = {
    outcome: "Rejected",
    started: "False",
    reason: "PolicyDenied",
    message: "No.",
  } as const;
  permission = { kind: "rejected", end };
  await offer();
  expect(acks).toMatchObject([{ answer: "accepted", run: { state: "Finished", result: end } }]);
  expect(seen).not.toContain("started");
});

test("without a policy to go by, a command is refused, nothing is lost, and it is taken later", async () => {
  permission = { kind: "undecided", problem: "policy.yaml: not YAML" };
  await offer();
  const message = "policy.yaml: not YAML";
  expect(acks).toEqual([{ answer: "refused", reason: "PolicyUnavailable", message }]);
  expect(ledger.read.counter()).toBe(0);
  permission = PERMITTED;
  await offer();
  expect(acks.at(-1)).toMatchObject({ answer: "accepted" });
});

/** The frame of a message with another payload under the same signatures. */
function withPayloadOf(frame: Uint8Array, other: Uint8Array): Uint8Array {
  const [signed, forged] = [frame, other].map((bytes): unknown =>
    JSON.parse(Buffer.from(bytes).toString()),
  ) as [{ signatures: unknown }, object];
  return Buffer.from(JSON.stringify({ ...forged, signatures: signed.signatures }));
}

const STRANGER = [signerOf(TOKEN_KEY)];
const UNTRUSTED: ReadonlyArray<readonly [string, () => Uint8Array]> = [
  ["is not signed", () => signedCommand([])],
  ["is signed by a key that is no controller's", () => signedCommand(STRANGER)],
  ["is signed by the node itself", () => signedCommand(NODE_SIGNERS)],
  [
    "has the signature of another command",
    () =>
      withPayloadOf(
        signedCommand(CONTROLLER_SIGNERS),
        encodeMessage(
          commandMessage,
          command({ sessionID: SESSION_ID, signedAt: TIME, work: { args: ["other"] } }),
          [],
        ),
      ),
  ],
];

test.each(UNTRUSTED)(
  "a command that %s is refused, leaves no trace and is not run",
  async (_, of) => {
    await send(COMMANDS, of());
    expect(acks).toMatchObject([{ answer: "refused", reason: "Untrusted" }]);
    expect(seen).toEqual(["ack.sending", "answered", "ack.sent"]);
    expect(ledger.read.counter()).toBe(0);
    expect(reports).toMatchObject([{ process: "inbox", severity: "warning" }]);
  },
);

test("a withdrawal that nobody trusted has signed ends nothing", async () => {
  await offer();
  const forged = withdrawal({ sessionID: SESSION_ID, signedAt: TIME, generation: 2 });
  await send(withdrawalSubject("ship1"), encodeMessage(withdrawalMessage, forged, STRANGER));
  expect(acks.at(-1)).toMatchObject({ answer: "refused", reason: "Untrusted" });
  expect(ledger.read.helloRuns().runs).toMatchObject([{ state: "Accepted" }]);
});

test("of untrusted messages one of each kind is reported in a minute, however many come", async () => {
  for (let again = 0; again < 20; again += 1) await send(COMMANDS, signedCommand([]));
  await send(withdrawalSubject("ship1"), encodeMessage(withdrawalMessage, withdrawal(), []));
  expect(reports).toHaveLength(2);
  await clock.advance(60_000);
  await send(COMMANDS, signedCommand([]));
  expect(reports).toHaveLength(3);
});

test("a command that is repeated byte by byte is answered and not run again", async () => {
  const bytes = signedCommand(CONTROLLER_SIGNERS);
  for (let again = 0; again < 3; again += 1) await send(COMMANDS, bytes);
  expect(acks.map(({ answer }) => answer)).toEqual(["accepted", "known", "known"]);
  expect(seen.filter((what) => what === "started")).toHaveLength(1);
});

test("a command that is repeated after a minute is refused", async () => {
  const bytes = signedCommand(CONTROLLER_SIGNERS);
  await clock.advance(60_001);
  await send(COMMANDS, bytes);
  expect(acks).toMatchObject([{ answer: "refused", reason: "Stale" }]);
  expect(seen).not.toContain("started");
});

function helloRequest(request: Partial<HelloRequest>, signers = CONTROLLER_SIGNERS): Uint8Array {
  const asked = { clusterID: CLUSTER_ID, node: "ship1", signedAt: TIME, ...request };
  return encodeMessage(helloRequestMessage, asked, signers);
}

test("it says hello when a controller asks for it, once for each request", async () => {
  const subject = helloRequestSubject("ship1");
  const request = helloRequest({});
  for (let again = 0; again < 3; again += 1) broker.deliver(subject, request, undefined);
  expect(hellos).toBe(1);
  broker.deliver(subject, helloRequest({ signedAt: "2026-11-24T06:00:01.000Z" }), undefined);
  expect(hellos).toBe(2);
});

test.each([
  ["nobody has signed", helloRequest({}, [])],
  ["a stranger has signed", helloRequest({}, STRANGER)],
  ["is of another cluster", helloRequest({ clusterID: SESSION_ID })],
  ["is for another node", helloRequest({ node: "ship2" })],
  ["is old", helloRequest({ signedAt: "2026-11-24T05:58:59.000Z" })],
  ["is empty", new Uint8Array()],
])("a request for a hello that %s is not heeded", async (_, request) => {
  broker.deliver(helloRequestSubject("ship1"), request, undefined);
  expect(hellos).toBe(0);
});
