import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isMethod, isNodeName } from "../../../src/protocol/names.ts";
import {
  commandsOfNode,
  commandSubject,
  CONTROLLER_INBOX,
  ENROLLMENT_INBOX,
  eventsOfAllNodes,
  eventSubject,
  helloRequestSubject,
  withdrawalSubject,
  isReplyTo,
  nodeInbox,
  parseSubject,
  type EventName,
} from "../../../src/protocol/subjects.ts";

const EVENTS: readonly EventName[] = ["hello", "result", "error", "enroll"];

/** What is no token of a subject of ours, or is one that means something else to NATS. */
const HOSTILE = [
  "",
  "*",
  ">",
  "a.b",
  ".",
  "a b",
  " a",
  "a ",
  "a\t",
  "a\n",
  "\u0000",
  "A",
  "-a",
  "a-",
  "a_b",
  "$SYS",
  "ä",
  "_INBOX_CONTROLLER",
  "a".repeat(64),
];

const nodes = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
const methods = nodes.filter(isMethod);
const anyText = fc.oneof(fc.string(), fc.constantFrom(...HOSTILE), nodes);

describe("subjects", () => {
  test.each([
    [commandSubject("ship1", "shellcommand"), "ship1.command.shellcommand"],
    [helloRequestSubject("ship1"), "ship1.command.hello"],
    [withdrawalSubject("ship1"), "ship1.command.cancel"],
    [commandsOfNode("ship1"), "ship1.command.*"],
    [eventSubject("ship1", "hello"), "ship1.event.hello"],
    [eventSubject("ship1", "result"), "ship1.event.result"],
    [eventSubject("ship1", "error"), "ship1.event.error"],
    [eventSubject("ship1", "enroll"), "ship1.event.enroll"],
    [eventsOfAllNodes("result"), "*.event.result"],
    [nodeInbox("ship1"), "_INBOX_ship1"],
  ])("%s is %s", (built, want) => {
    expect(built).toBe(want);
  });

  test.each([
    ["commandSubject", (node: string) => commandSubject(node, "exec")],
    ["helloRequestSubject", helloRequestSubject],
    ["withdrawalSubject", withdrawalSubject],
    ["commandsOfNode", commandsOfNode],
    ["eventSubject", (node: string) => eventSubject(node, "hello")],
    ["nodeInbox", nodeInbox],
  ])("%s is made for valid node names only", (_, build) => {
    for (const node of HOSTILE) expect(() => build(node), node).toThrow(RangeError);
    fc.assert(
      fc.property(anyText, (node) => {
        if (isNodeName(node)) expect(build(node)).toContain(node);
        else expect(() => build(node)).toThrow(`"${node}" is not a node name`);
      }),
    );
  });

  test.each([...HOSTILE, "cancel", "hello"])("no command has the method %j", (method) => {
    expect(() => commandSubject("ship1", method)).toThrow(`"${method}" is not a method name`);
  });
});

describe("parseSubject", () => {
  test("takes apart what was built", () => {
    fc.assert(
      fc.property(nodes, methods, fc.constantFrom(...EVENTS), (node, method, event) => {
        expect(parseSubject(commandSubject(node, method))).toEqual({
          node,
          direction: "command",
          method,
        });
        expect(parseSubject(eventSubject(node, event))).toEqual({
          node,
          direction: "event",
          method: event,
        });
      }),
    );
  });

  test.each([
    ["ship1.command.hello", { node: "ship1", direction: "command", method: "hello" }],
    ["ship1.command.cancel", { node: "ship1", direction: "command", method: "cancel" }],
    ["ship1.event.syslog", { node: "ship1", direction: "event", method: "syslog" }],
  ])("knows %s, although nothing builds it", (subject, parts) => {
    expect(parseSubject(subject)).toEqual(parts);
  });

  test.each([
    "",
    ".",
    "..",
    "ship1",
    "ship1.command",
    "ship1.command.",
    "ship1..exec",
    ".command.exec",
    "ship1.command.exec.",
    "ship1.command.exec.more",
    "ship1.commands.exec",
    "ship1.Command.exec",
    "SHIP1.command.exec",
    "*.command.exec",
    "ship1.command.*",
    "ship1.command.>",
    "ship1.>",
    " ship1.command.exec",
    "ship1.command.exec\n",
    "_INBOX_ship1.abc.1",
    "$JS.API.INFO",
  ])("does not take %j for one of ours", (subject) => {
    expect(parseSubject(subject)).toBeUndefined();
  });

  test("of anything gives valid parts that are the subject, or nothing", () => {
    const subjects = fc.oneof(
      fc.string(),
      fc
        .tuple(anyText, fc.constantFrom("command", "event", "x"), anyText)
        .map((parts) => parts.join(".")),
    );
    fc.assert(
      fc.property(subjects, (subject) => {
        const parts = parseSubject(subject);
        if (parts === undefined) return;
        expect(`${parts.node}.${parts.direction}.${parts.method}`).toBe(subject);
        expect(isNodeName(parts.node)).toBe(true);
        expect(parts.method).toMatch(/^[a-z0-9-]+$/);
      }),
      { numRuns: 300 },
    );
  });
});

describe("isReplyTo", () => {
  const inbox = nodeInbox("ship1");

  test.each([
    ["_INBOX_ship1.abc", true],
    ["_INBOX_ship1.abc.1", true],
    ["_INBOX_ship1", false],
    ["_INBOX_ship10.abc", false],
    ["_INBOX_ship2.abc", false],
    ["_inbox_ship1.abc", false],
    [" _INBOX_ship1.abc", false],
    ["ship2.command.exec", false],
    ["_INBOX_CONTROLLER.abc", false],
    ["", false],
    [undefined, false],
  ])("says of %j: %s", (reply, want) => {
    expect(isReplyTo(inbox, reply)).toBe(want);
  });

  test("never takes the inbox of one for that of another", () => {
    fc.assert(
      fc.property(nodes, nodes, (mine, other) => {
        const inboxes = [nodeInbox(mine), CONTROLLER_INBOX, ENROLLMENT_INBOX];
        if (mine !== other) inboxes.push(nodeInbox(other));
        for (const from of inboxes) {
          const matching = inboxes.filter((to) => isReplyTo(to, `${from}.abc`));
          expect(matching).toEqual([from]);
        }
      }),
    );
  });
});
