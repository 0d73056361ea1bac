import { readFile } from "node:fs/promises";

import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { ackMessage } from "../../src/protocol/ack.ts";
import { decodeMessage } from "../../src/protocol/envelope.ts";
import { helloReplyMessage } from "../../src/protocol/hello.ts";
import { receiptMessage } from "../../src/protocol/result.ts";
import { CONTROLLER_INBOX, nodeInbox } from "../../src/protocol/subjects.ts";
import { sharedControlPlane } from "../support/control-plane.ts";
import { Fleet } from "../support/fleet.ts";

let fleet: Fleet;
let stranger: NatsConnection;
beforeAll(async () => {
  const cluster = sharedControlPlane();
  fleet = await Fleet.start(cluster, ["ship1"]);
  stranger = await connect({ servers: cluster.natsUrl });
});
afterAll(async () => {
  await stranger.close();
  await fleet[Symbol.asyncDispose]();
});

const JUNK: readonly [string, string | Uint8Array][] = [
  ["nothing", ""],
  ["no JSON", "reboot"],
  ["bytes that are no text", new Uint8Array([0xff, 0xfe, 0, 1])],
  ["JSON that is no envelope", '{"method":"reboot"}'],
  ["an envelope around junk", envelope("command", "junk")],
  ["an envelope around another message", envelope("receipt", '{"receipt":"stored"}')],
  ["a prototype", '{"__proto__":{"admin":true}}'],
  ["a megabyte", "x".repeat(1_000_000)],
  ["deep nesting", "[".repeat(100_000)],
];

function envelope(name: string, payload: string): string {
  const base64 = Buffer.from(payload).toString("base64");
  const payloadType = `application/vnd.steward.${name}.v1+json`;
  return JSON.stringify({ payloadType, payload: base64, signatures: [] });
}

/** Sends a request whose answer goes where the real sender's would: nobody else is answered. */
async function ask(subject: string, inbox: string, data: string | Uint8Array): Promise<Uint8Array> {
  const reply = `${inbox}.test.${Math.random().toString(36).slice(2)}`;
  const answers = stranger.subscribe(reply, { max: 1, timeout: 10_000 });
  stranger.publish(subject, data, { reply });
  for await (const answer of answers) return answer.data;
  throw new Error(`no answer to ${subject}`);
}

async function logOf(who: "controller" | "ship1"): Promise<string> {
  const process = who === "controller" ? fleet.controller : fleet.agent(who);
  return readFile(process.logPath, "utf8");
}

describe.each(JUNK)("%s", (_, junk) => {
  test("as a command is refused by the agent", async () => {
    const subject = `${fleet.node("ship1")}.command.shellcommand`;
    const ack = decodeMessage(ackMessage, await ask(subject, CONTROLLER_INBOX, junk));
    expect(ack).toMatchObject({ answer: "refused", reason: "Malformed" });
  });

  test("as a hello is refused by the controller", async () => {
    const node = fleet.node("ship1");
    const reply = await ask(`${node}.event.hello`, nodeInbox(node), junk);
    expect(decodeMessage(helloReplyMessage, reply)).toMatchObject({ accepted: false });
  });

  test("as a result gets no receipt that would settle anything", async () => {
    const node = fleet.node("ship1");
    const reply = await ask(`${node}.event.result`, nodeInbox(node), junk);
    expect(decodeMessage(receiptMessage, reply)).toMatchObject({ receipt: "refused" });
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
