import { headers, type NatsConnection } from "nats";
import type { Tally } from "./tally.ts";
import { refusalsOf } from "./nats-users.ts";

/** The broker's own subjects, of which each would be a way out of one's rights. */
const OF_THE_BROKER: readonly string[] = [
  "$SYS.REQ.CLAIMS.UPDATE",
  "$SYS.REQ.CLAIMS.DELETE",
  "$SYS.REQ.CLAIMS.LIST",
  "$SYS.REQ.USER.INFO",
  "$SYS.REQ.SERVER.PING",
  "$SYS.REQ.SERVER.PING.CONNZ",
  "$SYS.REQ.ACCOUNT.PING.CONNZ",
  "$SYS.ACCOUNT.x.CONNECT",
  "$JS.API.INFO",
  "$JS.API.STREAM.CREATE.EVENTS",
  "$JS.API.STREAM.PURGE.EVENTS",
  "$JS.API.STREAM.MSG.GET.EVENTS",
  "$JS.API.DIRECT.GET.EVENTS",
  "$JS.API.CONSUMER.CREATE.EVENTS.x",
  "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.x",
  "$JS.API.CONSUMER.MSG.NEXT.EVENTS.x",
  "$JS.ACK.EVENTS.x.1.1.1.1.1",
  "$JS.ACK._.hash.EVENTS.x.1.1.1.1.1",
  "$JS.FC.EVENTS.x.1",
  "$KV.secrets.a",
  "$O.objects.C.a",
  "$SRV.PING",
];

const WILDCARDS: readonly string[] = [
  ">",
  "*",
  "*.>",
  "*.*.*",
  "*.command.*",
  "*.command.>",
  "*.event.>",
  "*.event.enroll",
  "*.command.shellcommand",
  "_INBOX.>",
  "_INBOX_CONTROLLER.>",
  "_INBOX_CONTROLLER.*.*",
  "_INBOX_ENROLL.*.*",
  "$SYS.>",
  "$JS.>",
  "$JS.API.>",
  "$JS.ACK.>",
  "$KV.>",
  "_R_.>",
];

function ofOthers(node: string, other: string): string[] {
  const events = ["hello", "result", "error", "enroll", "output"];
  return [
    ...events.map((event) => `${other}.event.${event}`),
    ...["ping", "shellcommand", "cancel", "hello"].map((method) => `${other}.command.${method}`),
    `${other}.anything`,
    `_INBOX_${other}.abc.1`,
    "_INBOX_CONTROLLER.abc.1",
    "_INBOX_ENROLL.abc.1",
    "_INBOX.abc.1",
    // What looks like one's own.
    `${node}.command.ping`,
    `${node}.event.output`,
    `${node}.event`,
    `${node}.event.hello.more`,
    `${node}x.event.hello`,
    `${node.toUpperCase()}.event.hello`,
    `_INBOX_${node}.abc.1`,
    `_INBOX_${node}x.abc.1`,
    "anything",
  ];
}

function heardByOthers(node: string, other: string): string[] {
  return [
    ...WILDCARDS,
    ...OF_THE_BROKER,
    `${other}.command.*`,
    `${other}.command.shellcommand`,
    `${other}.event.*`,
    `_INBOX_${other}.*.*`,
    `_INBOX_${other}.>`,
    `${node}.>`,
    `${node}.*`,
    `${node}.*.*`,
    `${node}.event.hello`,
    `_INBOX_${node}.>`,
  ];
}

const SETTLE_MS = 300;

/** Whoever has a node's credentials tries everything else that there is to say and to hear. */
export async function probeRights(
  connection: NatsConnection,
  who: {
    readonly node: string;
    readonly other: string;
    readonly sleep: (ms: number) => Promise<void>;
  },
  tally: Tally,
): Promise<void> {
  const { node, other, sleep } = who;
  const refusals = refusalsOf(connection);
  const said = [...ofOthers(node, other), ...OF_THE_BROKER];
  const withHeader = headers();
  withHeader.set("Nats-Msg-Id", "1");
  for (const subject of said) {
    connection.publish(subject, "x");
    connection.publish(subject, new Uint8Array(), { headers: withHeader });
    connection.publish(subject, "x", { reply: `_INBOX_${node}.a.1` });
  }
  await connection.flush();
  const heard = heardByOthers(node, other);
  const delivered: string[] = [];
  for (const subject of heard) {
    for (const queue of [undefined, "steward"]) {
      connection.subscribe(subject, {
        ...(queue === undefined ? {} : { queue }),
        callback: (error, message) => {
          if (error === null) delivered.push(`${subject}: ${message.subject}`);
        },
      });
    }
  }
  await connection.flush();
  await sleep(SETTLE_MS);
  for (const subject of said) {
    const times = refusals.filter((text) => text.includes(`Publish to "${subject}"`)).length;
    tally.addMany(
      "rogue node: speaks elsewhere",
      3,
      times === 3 ? [] : [`${subject}: refused ${times} times of 3`],
    );
  }
  for (const subject of heard) {
    const times = refusals.filter((text) => text.includes(`Subscription to "${subject}"`)).length;
    tally.addMany(
      "rogue node: listens elsewhere",
      2,
      times === 2 ? [] : [`${subject}: refused ${times} times of 2`],
    );
  }
  tally.addMany("rogue node: heard something elsewhere", heard.length, delivered);
}
