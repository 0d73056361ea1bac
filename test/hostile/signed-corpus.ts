import { randomUUID } from "node:crypto";
import { ackMessage } from "../../src/protocol/ack.ts";
import { commandMessage, type Address, type Command } from "../../src/protocol/command.ts";
import { encodeMessage, encodeReply } from "../../src/protocol/envelope.ts";
import { helloReplyMessage, helloRequestMessage } from "../../src/protocol/hello.ts";
import { receiptMessage } from "../../src/protocol/result.ts";
import {
  commandSubject,
  CONTROLLER_INBOX,
  eventSubject,
  helloRequestSubject,
  nodeInbox,
  withdrawalSubject,
} from "../../src/protocol/subjects.ts";
import { withdrawalMessage } from "../../src/protocol/withdrawal.ts";
import { goldenMessages } from "../support/golden-messages.ts";
import { CONTROLLER_SIGNERS, NODE_SIGNERS } from "../support/test-keys.ts";
import { CLUSTER_ID, command, deletion, withdrawal } from "../unit/agent/controller-side.ts";
import type { Said } from "./frame.ts";

export const NODE = "ship1";
const OTHER_NODE = "ship2";

/** Where an attacker on the broker may say what he has. */
export const SUBJECTS: readonly string[] = [
  commandSubject(NODE, "shellcommand"),
  commandSubject(NODE, "exec"),
  commandSubject(NODE, "ping"),
  withdrawalSubject(NODE),
  helloRequestSubject(NODE),
  `${NODE}.command.>`,
  `${NODE}.command`,
  commandSubject(OTHER_NODE, "shellcommand"),
  eventSubject(NODE, "hello"),
];

export interface SignedCorpus {
  readonly all: readonly Said[];
  /** What the agent may act on, if it comes as it is. */
  readonly deliverable: readonly Said[];
}

const goldens = (await goldenMessages()).map(({ type, wire }): Said => ({
  subject: eventSubject(NODE, subjectOf(type.name)),
  data: wire,
}));

function subjectOf(name: string): "hello" | "result" | "error" | "enroll" {
  return name === "result" || name === "error" || name === "enroll" ? name : "hello";
}

/** Everything that a controller and a node may have said, all of it with good signatures. `now`: Unix time, in ms. */
export function corpusFor(sessionID: string, now: number): SignedCorpus {
  const signedAt = at(now);
  const deliverable = [
    ...commands({ sessionID, signedAt }),
    ...others({ sessionID, signedAt }, now),
  ];
  const strange: readonly Partial<Address>[] = [
    { sessionID: randomUUID(), signedAt },
    { sessionID, signedAt: at(now - 60_001) },
    { sessionID, signedAt: at(now + 60_001) },
    { sessionID, signedAt, node: OTHER_NODE },
    { sessionID, signedAt, namespace: "other" },
    { sessionID, signedAt, clusterID: randomUUID() },
  ];
  const undeliverable = strange.flatMap((offer) => [...commands(offer), ...withdrawals(offer)]);
  return {
    deliverable,
    all: [...deliverable, ...undeliverable, ...nodesWords(deliverable), ...goldens],
  };
}

function commands(offer: Partial<Address>): Said[] {
  return Array.from({ length: 6 }, (_, index) => {
    const method = index % 3 === 0 ? "exec" : "shellcommand";
    const args = [`echo ${index} >> /tmp/never`];
    return commandSaid(
      command({
        ...offer,
        name: `task-${index}-${randomUUID()}`,
        uid: randomUUID(),
        work: { method, args },
      }),
    );
  });
}

function commandSaid(said: Command): Said {
  return {
    subject: commandSubject(said.node, said.work.method),
    data: encodeMessage(commandMessage, said, CONTROLLER_SIGNERS),
  };
}

function withdrawals(offer: Partial<Address>): Said[] {
  return [withdrawal(offer), deletion(offer)].map((said) => ({
    subject: withdrawalSubject(said.node),
    data: encodeMessage(withdrawalMessage, said, CONTROLLER_SIGNERS),
  }));
}

function others(offer: Partial<Address>, now: number): Said[] {
  const request = { clusterID: CLUSTER_ID, node: NODE, signedAt: at(now) };
  const data = encodeMessage(helloRequestMessage, request, CONTROLLER_SIGNERS);
  return [...withdrawals(offer), { subject: helloRequestSubject(NODE), data }];
}

/** Replies of both sides. */
function nodesWords([first]: readonly Said[]): Said[] {
  const request = first?.data ?? new Uint8Array();
  const time = at(0);
  return [
    {
      subject: `${CONTROLLER_INBOX}.a.1`,
      data: encodeReply(ackMessage, { answer: "absent" }, { request, signers: NODE_SIGNERS }),
    },
    {
      subject: `${nodeInbox(NODE)}.a.1`,
      data: encodeReply(
        helloReplyMessage,
        { accepted: true, time, clusterID: CLUSTER_ID },
        { request, signers: CONTROLLER_SIGNERS },
      ),
    },
    {
      subject: `${nodeInbox(NODE)}.a.2`,
      data: encodeReply(
        receiptMessage,
        { receipt: "stored", runID: randomUUID() },
        { request, signers: CONTROLLER_SIGNERS },
      ),
    },
  ];
}

function at(now: number): string {
  return new Date(now).toISOString();
}
