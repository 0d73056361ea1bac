import { beforeEach, describe, expect, test } from "vitest";
import type { EdgeCommand, EdgeCommandSpec } from "../../../../src/api/v1alpha1/edgecommand.ts";
import { revisionOf } from "../../../../src/api/v1alpha1/revision.ts";
import { afterOffer, type OfferOutcome } from "../../../../src/controller/edgecommand/answer.ts";
import { NEW_EXCHANGE, type MessageKind } from "../../../../src/controller/edgecommand/observe.ts";
import { makeOffer } from "../../../../src/controller/edgecommand/offer.ts";
import type { NodeSecurity } from "../../../../src/controller/node-security.ts";
import type { ObjectRead, ValueReader } from "../../../../src/controller/ports.ts";
import { newSealingKey, unseal } from "../../../../src/identity/sealing.ts";
import type { Bus } from "../../../../src/protocol/bus.ts";
import { commandMessage, type Command } from "../../../../src/protocol/command.ts";
import { decodeMessage } from "../../../../src/protocol/envelope.ts";
import {
  MAX_SEALED_BYTES,
  sealedBox,
  sealingContext,
} from "../../../../src/protocol/sealed-inputs.ts";
import { ANYONE, NO_SIGNERS, type Signer } from "../../../../src/protocol/signature.ts";
import { withdrawalMessage } from "../../../../src/protocol/withdrawal.ts";
import { Semaphore } from "../../../../src/runtime/semaphore.ts";
import { edgeCommand, NOW, OTHER_UID, SESSION_ID } from "../../../support/builders.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { FakeStore } from "../../../support/fake-store.ts";
import { CONTROLLER_SIGNERS } from "../../../support/test-keys.ts";

const KEY = newSealingKey();
const REFERENCE = { secretKeyRef: { name: "login", key: "token", optional: false } };
const WITH_SECRETS: Partial<EdgeCommandSpec> = {
  env: [
    { name: "LANG", value: "C" },
    { name: "TOKEN", value: "", valueFrom: REFERENCE },
  ],
  stdinFrom: REFERENCE,
};

let sent: Uint8Array[];
let read: string[];
let values: ObjectRead | Error;
let isSameNode: boolean;
let whenRead: () => void;
beforeEach(() => {
  isSameNode = true;
  whenRead = () => undefined;
  sent = [];
  read = [];
  values = new Map([["token", Buffer.from("correct-horse")]]);
});

const reader: ValueReader = {
  read: async ({ kind, namespace, name }) => {
    read.push(`${kind} ${namespace}/${name}`);
    whenRead();
    if (values instanceof Error) throw values;
    return values;
  },
};

const bus: Bus = {
  connected: true,
  onConnectedChange: () => () => undefined,
  subscribe: () => ({ unsubscribe: () => undefined }),
  publish: () => undefined,
  request: async (_, data) => {
    sent.push(data);
    return { kind: "timeout" };
  },
};

interface Circumstances {
  readonly spec?: Partial<EdgeCommandSpec>;
  readonly message?: MessageKind;
  readonly sealingKey?: string | undefined;
  readonly signers?: readonly Signer[];
}

function offer(circumstances: Circumstances = {}): Promise<OfferOutcome> {
  const { spec = WITH_SECRETS, message = "command", signers = CONTROLLER_SIGNERS } = circumstances;
  const command = edgeCommand({ spec });
  const run = {
    declared: 1,
    revision: revisionOf(command.spec),
    rerun: "",
    epoch: 0,
    requestedAt: command.metadata.creationTimestamp,
  };
  const security: NodeSecurity = { signers, trustOf: () => ANYONE };
  const deps = {
    commands: new FakeStore<EdgeCommand>("EdgeCommand", () => undefined),
    values: reader,
    bus,
    security,
    rejections: { refuse: () => undefined },
    clock: new FakeClock(NOW),
    mayAct: () => true,
    liveReads: new Semaphore(1),
  };
  return makeOffer(deps, {
    message,
    command,
    to: {
      clusterID: OTHER_UID,
      sessionID: SESSION_ID,
      now: NOW,
      ledgerSince: undefined,
      run,
      takesOver: undefined,
    },
    sealingKey: "sealingKey" in circumstances ? circumstances.sealingKey : KEY.publicKey,
    readLive: false,
    isSameNode: () => isSameNode,
    isRepeated: false,
  });
}

function sentCommand(): Command {
  return decodeMessage(commandMessage, sent.at(-1) ?? new Uint8Array(), ANYONE);
}

test("secrets are read when the command is sent, and sealed to the node for this run alone", async () => {
  await offer();
  const command = sentCommand();
  expect(read).toEqual(["Secret default/login"]);
  expect(command.work.env).toEqual([{ name: "LANG", value: "C" }]);
  expect(command.work.stdin).toBe("");
  const opened = unseal(command.sealed ?? "", KEY, sealingContext(command)).toString();
  expect(JSON.parse(opened)).toEqual({
    env: [{ name: "TOKEN", value: "correct-horse" }],
    stdin: { value: "correct-horse" },
  });
  const frame = Buffer.from(sent.at(-1) ?? "").toString();
  const payload = Buffer.from(String(JSON.parse(frame).payload), "base64").toString();
  expect(payload).not.toContain("correct-horse");
});

test("what is sent again has the value of that moment", async () => {
  await offer();
  values = new Map([["token", Buffer.from("battery-staple")]]);
  await offer();
  const command = sentCommand();
  const opened = unseal(command.sealed ?? "", KEY, sealingContext(command)).toString();
  expect(opened).toContain("battery-staple");
});

test("nothing is sent to a node that became another while they were read", async () => {
  whenRead = () => {
    isSameNode = false;
  };
  expect(await offer()).toEqual({ kind: "changed" });
  expect(sent).toEqual([]);
});

test("a command without secrets reads none, and has no box", async () => {
  await offer({ spec: {}, sealingKey: undefined, signers: NO_SIGNERS });
  expect(read).toEqual([]);
  expect(sentCommand()).not.toHaveProperty("sealed");
});

test("a command of which all that is optional is missing has no box", async () => {
  const { secretKeyRef } = REFERENCE;
  values = "notFound";
  await offer({ spec: { stdinFrom: { secretKeyRef: { ...secretKeyRef, optional: true } } } });
  expect(sentCommand()).not.toHaveProperty("sealed");
});

test("a withdrawal reads nothing and carries nothing", async () => {
  await offer({ message: "withdrawal" });
  expect(read).toEqual([]);
  expect(decodeMessage(withdrawalMessage, sent[0] ?? new Uint8Array(), ANYONE)).not.toHaveProperty(
    "sealed",
  );
});

describe("nothing is sent, and it is tried again later,", () => {
  test.each<[string, Circumstances, string]>([
    ["where nothing is signed", { signers: NO_SIGNERS }, "InsecureMode"],
    ["while the node has told no key", { sealingKey: undefined }, "NoSealingKey"],
  ])("%s, and no secret is read", async (_, circumstances, reason) => {
    expect(await offer(circumstances)).toMatchObject({ kind: "held", reason });
    expect(read).toEqual([]);
    expect(sent).toEqual([]);
  });

  test.each<[string, ObjectRead | Error, object]>([
    ["while there is no Secret", "notFound", { kind: "held", reason: "SecretNotFound" }],
    ["while it may not be read", "forbidden", { kind: "held", reason: "InputForbidden" }],
    ["while the API server does not answer", new Error("no answer"), { kind: "unread" }],
  ])("%s", async (_, result, expected) => {
    values = result;
    const outcome = await offer();
    expect(outcome).toMatchObject(expected);
    expect(sent).toEqual([]);
    const exchange = { ...NEW_EXCHANGE, tries: 1 };
    const context = {
      exchange,
      message: "command",
      sessionID: SESSION_ID,
      readLive: false,
    } as const;
    const after = afterOffer(outcome, { ...context, monotonic: 500, random: () => 1 });
    expect(after.exchange).toMatchObject({ dueAt: 1_500 });
    expect(after.exchange.failure?.message).toBeTruthy();
  });
});

test("as much as may be given fits the box", () => {
  const bytes = 32 + MAX_SEALED_BYTES + 16;
  expect(sealedBox.safeParse(Buffer.alloc(bytes).toString("base64")).success).toBe(true);
  expect(sealedBox.safeParse(Buffer.alloc(bytes + 1).toString("base64")).success).toBe(false);
});
