import { readFile } from "node:fs/promises";

import type { NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { readKeyFile } from "../../dev/controlplane/nats-access.ts";
import { connectClient } from "../../dev/controlplane/nats-client.ts";
import { ackMessage } from "../../src/protocol/ack.ts";
import type { EdgeNode } from "../../src/api/v1alpha1/edgenode.ts";
import { newKeyPair } from "../../src/identity/key-pair.ts";
import { signerOf, trustIn } from "../../src/identity/signatures.ts";
import { parsePublicCommandKeys } from "../../src/identity/command-keys.ts";
import { commandMessage } from "../../src/protocol/command.ts";
import { decodeMessage, decodeReply, encodeMessage } from "../../src/protocol/envelope.ts";
import { helloMessage, helloReplyMessage } from "../../src/protocol/hello.ts";
import { receiptMessage, resultMessage } from "../../src/protocol/result.ts";
import { NO_SIGNERS, type Trust } from "../../src/protocol/signature.ts";
import { CONTROLLER_INBOX, nodeInbox } from "../../src/protocol/subjects.ts";
import { sharedControlPlane } from "../support/control-plane.ts";
import { Fleet } from "../support/fleet.ts";

let fleet: Fleet;
let stranger: NatsConnection;
/** Whom a node, and the controller, believe: what is answered must be theirs. */
let controllerTrust: Trust;
let nodeTrust: Trust;
const cluster = sharedControlPlane();

beforeAll(async () => {
  fleet = await Fleet.start(cluster, ["ship1"]);
  // Whoever has broken into the broker: nothing is denied to it there.
  stranger = await connectClient(cluster);
  const commandKeys = await readKeyFile(cluster.keysDir ?? "", "enrollment/command-keys.pub.json");
  const { keys } = parsePublicCommandKeys(commandKeys);
  controllerTrust = trustIn(() => keys);
  const { publicKey = "" } = (await edgeNode()).spec;
  nodeTrust = trustIn(() => [publicKey]);
});
afterAll(async () => {
  await stranger.close();
  await fleet[Symbol.asyncDispose]();
});

async function edgeNode(): Promise<EdgeNode> {
  const { stdout } = await fleet.tryKubectl(["get", "en", fleet.node("ship1"), "-o", "json"]);
  return JSON.parse(stdout) as EdgeNode;
}

const JUNK: readonly [string, string | Uint8Array][] = [
  ["nothing", ""],
  ["no JSON", "reboot"],
  ["bytes that are no text", new Uint8Array([0xff, 0xfe, 0, 1])],
  ["JSON that is no envelope", '{"method":"reboot"}'],
  ["a prototype", '{"__proto__":{"admin":true}}'],
  ["a megabyte", "x".repeat(1_000_000)],
  ["deep nesting", "[".repeat(100_000)],
];

/** Nobody has signed it. */
const UNSIGNED: readonly [string, string][] = [
  ["an envelope around junk", envelope("command", "junk")],
  ["an envelope around another message", envelope("receipt", '{"receipt":"stored"}')],
];

function envelope(name: string, payload: string): string {
  const base64 = Buffer.from(payload).toString("base64");
  const payloadType = `application/vnd.steward.${name}.v1+json`;
  return JSON.stringify({ payloadType, payload: base64, signatures: [] });
}

/** Sends a request whose answer goes where the real sender's would: nobody else is answered. */
async function ask(subject: string, inbox: string, data: string | Uint8Array): Promise<Answered> {
  const reply = `${inbox}.test.${Math.random().toString(36).slice(2)}`;
  const answers = stranger.subscribe(reply, { max: 1, timeout: 10_000 });
  stranger.publish(subject, data, { reply });
  const request = typeof data === "string" ? Buffer.from(data) : data;
  for await (const answer of answers) return { data: answer.data, request };
  throw new Error(`no answer to ${subject}`);
}

interface Answered {
  readonly data: Uint8Array;
  readonly request: Uint8Array;
}

async function logOf(who: "controller" | "ship1"): Promise<string> {
  const process = who === "controller" ? fleet.controller : fleet.agent(who);
  return readFile(process.logPath, "utf8");
}

describe.each(JUNK)("%s", (_, junk) => {
  test("as a command is refused by the agent", async () => {
    const subject = `${fleet.node("ship1")}.command.shellcommand`;
    const { data, request } = await ask(subject, CONTROLLER_INBOX, junk);
    const ack = decodeReply(ackMessage, data, { request, trust: nodeTrust });
    expect(ack).toMatchObject({ answer: "refused", reason: "Malformed" });
  });

  test("as a hello is refused by the controller", async () => {
    const node = fleet.node("ship1");
    const { data, request } = await ask(`${node}.event.hello`, nodeInbox(node), junk);
    const reply = decodeReply(helloReplyMessage, data, { request, trust: controllerTrust });
    expect(reply).toMatchObject({ accepted: false });
  });

  test("as a result gets no receipt that would settle anything", async () => {
    const node = fleet.node("ship1");
    const { data, request } = await ask(`${node}.event.result`, nodeInbox(node), junk);
    const receipt = decodeReply(receiptMessage, data, { request, trust: controllerTrust });
    expect(receipt).toMatchObject({ receipt: "refused" });
  });
});

/** What is answered is answered in order: when something after it has its answer, it has none. */
async function isNotAnswered(subject: string, inbox: string, data: Uint8Array): Promise<void> {
  const reply = `${inbox}.test.${Math.random().toString(36).slice(2)}`;
  const answers = stranger.subscribe(reply, { max: 1 });
  stranger.publish(subject, data, { reply });
  await ask(subject, inbox, "junk after it");
  expect(answers.getReceived()).toBe(0);
  answers.unsubscribe();
}

describe.each(UNSIGNED)("%s, unsigned", (_, junk) => {
  test("is not looked into by the agent", async () => {
    const subject = `${fleet.node("ship1")}.command.shellcommand`;
    const { data, request } = await ask(subject, CONTROLLER_INBOX, junk);
    const ack = decodeReply(ackMessage, data, { request, trust: nodeTrust });
    expect(ack).toMatchObject({ answer: "refused", reason: "Untrusted" });
  });

  test("gets no receipt", async () => {
    const node = fleet.node("ship1");
    await isNotAnswered(`${node}.event.result`, nodeInbox(node), Buffer.from(junk));
  });
});

/** All that goes by on these subjects while a command runs. */
async function overheard(name: string): Promise<{ subject: string; data: Uint8Array }[]> {
  const node = fleet.node("ship1");
  const heard: { subject: string; data: Uint8Array }[] = [];
  const subscription = stranger.subscribe(`${node}.>`, {
    callback: (_, { subject, data }) => {
      heard.push({ subject, data });
    },
  });
  await fleet.apply(name, { nodeName: "ship1", method: "shellcommand", args: ["true"] });
  expect(await fleet.completed(name)).toMatchObject({ phase: "Succeeded" });
  await vi.waitFor(
    () => expect(heard.map(({ subject }) => subject)).toContain(`${node}.event.hello`),
    10_000,
  );
  subscription.unsubscribe();
  return heard;
}

describe("what was really said", () => {
  test("and is said again by somebody else runs nothing and changes nothing", async () => {
    const node = fleet.node("ship1");
    const heard = await overheard("overheard");
    const before = await fleet.completed("overheard");
    for (const [index, { subject, data }] of heard.entries()) {
      const inbox = subject.includes(".command.") ? CONTROLLER_INBOX : nodeInbox(node);
      stranger.publish(subject, data, { reply: `${inbox}.test.again-${index}` });
    }
    await ask(`${node}.event.hello`, nodeInbox(node), "junk after all of it");
    expect(await fleet.completed("overheard")).toEqual(before);
  });

  test.each([
    ["by nobody", NO_SIGNERS],
    ["by a key of nobody", [signerOf(newKeyPair("user"))]],
  ])("and is signed %s instead is believed by nobody", async (name, signers) => {
    const node = fleet.node("ship1");
    const heard = await overheard(`signed-${name.replaceAll(" ", "-")}`);
    const of = (subject: string): Uint8Array =>
      heard.find((each) => each.subject === `${node}.${subject}`)?.data ?? new Uint8Array();
    const command = decodeMessage(commandMessage, of("command.shellcommand"), controllerTrust);
    const forgedCommand = encodeMessage(commandMessage, command, signers);
    const { data, request } = await ask(
      `${node}.command.shellcommand`,
      CONTROLLER_INBOX,
      forgedCommand,
    );
    expect(decodeReply(ackMessage, data, { request, trust: nodeTrust })).toMatchObject({
      reason: "Untrusted",
    });
    const result = decodeMessage(resultMessage, of("event.result"), nodeTrust);
    const forgedResult = encodeMessage(resultMessage, result, signers);
    await isNotAnswered(`${node}.event.result`, nodeInbox(node), forgedResult);
    const hello = decodeMessage(helloMessage, of("event.hello"), nodeTrust);
    const forgedHello = encodeMessage(helloMessage, hello, signers);
    const answer = await ask(`${node}.event.hello`, nodeInbox(node), forgedHello);
    const trust = controllerTrust;
    expect(
      decodeReply(helloReplyMessage, answer.data, { request: answer.request, trust }),
    ).toMatchObject({ accepted: false, reason: "NotRegistered" });
    expect((await edgeNode()).status.session?.id).toBe(hello.sessionID);
  });
});

test("the same fault on the same subject is logged once, however often it comes", async () => {
  const subject = `${fleet.node("ship1")}.event.hello`;
  for (let i = 0; i < 50; i += 1)
    await ask(subject, nodeInbox(fleet.node("ship1")), "the same junk");
  const lines = (await logOf("controller"))
    .split("\n")
    .filter((line) => line.includes("malformed message") && line.includes(subject));
  expect(new Set(lines.map((line) => (JSON.parse(line) as { reason: string }).reason)).size).toBe(
    lines.length,
  );
});

test("nobody is answered outside the inbox of whom the subject names", async () => {
  const node = fleet.node("ship1");
  const victim = stranger.subscribe("victim.command.reboot", { max: 1 });
  stranger.publish(`${node}.event.hello`, "junk", { reply: "victim.command.reboot" });
  stranger.publish(`${node}.event.result`, "junk", { reply: "victim.command.reboot" });
  stranger.publish(`${node}.command.ping`, "junk", { reply: "victim.command.reboot" });
  // What is answered is answered in order: this one's answer comes after any of the three.
  await ask(`${node}.event.hello`, nodeInbox(node), "junk");
  await ask(`${node}.command.ping`, CONTROLLER_INBOX, "junk");
  expect(victim.getReceived()).toBe(0);
  victim.unsubscribe();
});

test("after all of that agent and controller still work", async () => {
  await fleet.apply("alive", { nodeName: "ship1", method: "ping" });
  expect(await fleet.completed("alive")).toMatchObject({ phase: "Succeeded" });
  await vi.waitFor(async () => expect(await logOf("ship1")).toContain('"level":"warn"'));
  expect(await logOf("controller")).not.toContain('"level":"error"');
  expect(await logOf("ship1")).not.toContain('"level":"error"');
});
