import { describe, expect, test } from "vitest";

import {
  CONTROLLER_GRANT,
  ENROLLMENT_GRANT,
  NODE_GRANT,
  systemGrant,
} from "../../../src/identity/node-permissions.ts";
import {
  commandsOfNode,
  CONTROLLER_INBOX,
  ENROLLMENT_INBOX,
  eventsOfAllNodes,
  eventSubject,
  nodeInbox,
  type EventName,
} from "../../../src/protocol/subjects.ts";

const EVENTS: readonly EventName[] = ["hello", "result", "error", "enroll"];
const NODE = "ship1";

/** What the broker makes of a scope for the node. */
function forNode(subjects: readonly string[] = []): readonly string[] {
  return subjects.map((subject) => subject.replaceAll("{{name()}}", NODE));
}

describe("what the broker lets through", () => {
  test("is for a node what the protocol has for it", () => {
    expect(forNode(NODE_GRANT.pub?.allow)).toEqual(
      EVENTS.map((event) => eventSubject(NODE, event)),
    );
    expect(forNode(NODE_GRANT.sub?.allow)).toEqual([
      commandsOfNode(NODE),
      `${nodeInbox(NODE)}.*.*`,
    ]);
  });

  test("is for the controller what the protocol has for it", () => {
    expect(CONTROLLER_GRANT.pub?.allow).toEqual([commandsOfNode(NODE).replace(NODE, "*")]);
    expect(CONTROLLER_GRANT.sub?.allow).toEqual([
      ...EVENTS.map(eventsOfAllNodes),
      `${CONTROLLER_INBOX}.*.*`,
    ]);
    expect(systemGrant("A").sub?.allow).toContain(`${CONTROLLER_INBOX}.>`);
  });

  test("is for who wants to be enrolled what the protocol has for it", () => {
    expect(ENROLLMENT_GRANT.pub?.allow).toEqual([eventsOfAllNodes("enroll")]);
    expect(ENROLLMENT_GRANT.sub?.allow).toEqual([`${ENROLLMENT_INBOX}.*.*`]);
    expect(ENROLLMENT_GRANT.resp).toBeUndefined();
  });

  test.each([NODE_GRANT, CONTROLLER_GRANT, ENROLLMENT_GRANT, systemGrant("A")])(
    "is a list of what is allowed: nothing is denied, for all that is not allowed is",
    ({ pub, sub, subs }) => {
      for (const { allow, deny } of [pub, sub].map((one) => ({ ...one }))) {
        expect(allow?.length).toBeGreaterThan(0);
        expect(deny).toEqual([]);
        expect(allow).not.toContain(">");
      }
      expect(subs).toBeGreaterThan(0);
    },
  );
});
