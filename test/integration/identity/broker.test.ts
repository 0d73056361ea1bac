import { encodeUser, fromPublic } from "@nats-io/jwt";
import { fromSeed } from "@nats-io/nkeys";
import { createInbox, type NatsConnection, type Subscription } from "nats";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { encodeFleetAccountJwt, encodeNodeJwt } from "../../../src/identity/claims.ts";
import { newKeyPair } from "../../../src/identity/key-pair.ts";
import { refusalsOf, startSecureBroker, type SecureBroker } from "./secure-broker.ts";

let broker: SecureBroker;
let controller: NatsConnection;

beforeAll(async () => {
  broker = await startSecureBroker();
  controller = await broker.connectController();
});
afterAll(async () => {
  await controller.close();
  await broker[Symbol.asyncDispose]();
});

/** Answers all that comes with what it came on. */
function echo(connection: NatsConnection, subject: string): Subscription {
  return connection.subscribe(subject, {
    callback: (_error, message) => void message.respond(message.subject),
  });
}

describe("a node", () => {
  test("hears the commands to it, answers them, and says what it has to say", async () => {
    await using node = closing(await broker.connectNode("ship1"));
    echo(node.connection, "ship1.command.*");
    await node.connection.flush();
    const answer = await controller.request("ship1.command.ping", "", { timeout: 5_000 });
    expect(answer.string()).toBe("ship1.command.ping");

    const events = ["hello", "result", "error", "enroll"];
    const answering = events.map((event) => echo(controller, `*.event.${event}`));
    await controller.flush();
    for (const event of events) {
      const subject = `ship1.event.${event}`;
      const receipt = await node.connection.request(subject, "", { timeout: 5_000 });
      expect(receipt.string()).toBe(subject);
    }
    for (const subscription of answering) subscription.unsubscribe();
  });

  test("may say nothing else", async () => {
    await using node = closing(await broker.connectNode("ship1"));
    const refusals = refusalsOf(node.connection);
    const subjects = [
      "ship2.event.hello",
      "ship1.event.output",
      "ship1.event.hello.more",
      "ship1.command.ping",
      "ship2.command.ping",
      "_INBOX_CONTROLLER.x.1",
      "_INBOX_ship1.x.1",
      "_INBOX_ship2.x.1",
      "$SYS.REQ.CLAIMS.UPDATE",
      "$JS.API.INFO",
      "anything",
    ];
    for (const subject of subjects) node.connection.publish(subject, "");
    await node.connection.flush();
    await vi.waitFor(() => {
      expect(refusals).toEqual(
        subjects.map((subject) => expect.stringContaining(`Publish to "${subject}"`)),
      );
    });
  });

  test("may hear nothing else", async () => {
    await using node = closing(await broker.connectNode("ship1"));
    const refusals = refusalsOf(node.connection);
    const subjects = [
      ">",
      "*.command.*",
      "ship2.command.*",
      "ship1.event.hello",
      "*.event.enroll",
      "_INBOX_ship1.>",
      "_INBOX_ship2.*.*",
      "_INBOX_CONTROLLER.*.*",
      "_INBOX_ENROLL.*.*",
      "$SYS.>",
    ];
    for (const subject of subjects) node.connection.subscribe(subject, { callback: () => {} });
    await node.connection.flush();
    await vi.waitFor(() => {
      expect(refusals).toEqual(
        subjects.map((subject) => expect.stringContaining(`Subscription to "${subject}"`)),
      );
    });
  });

  test("answers a request once, and where it was asked to only", async () => {
    await using node = closing(await broker.connectNode("ship1"));
    const refusals = refusalsOf(node.connection);
    node.connection.subscribe("ship1.command.*", {
      callback: (_error, message) => {
        message.respond("first");
        message.respond("second");
      },
    });
    await node.connection.flush();
    const answer = await controller.request("ship1.command.ping", "", { timeout: 5_000 });
    expect(answer.string()).toBe("first");
    await vi.waitFor(() => expect(refusals).toHaveLength(1));
  });

  test("cannot give itself rights with the key that signs nodes", async () => {
    const keys = newKeyPair("user");
    const signer = fromSeed(Buffer.from(broker.key("controller/node-signing.seed").seed));
    const jwt = await encodeUser(
      "ship1",
      fromPublic(keys.publicKey),
      fromPublic(broker.text("nats/fleet-account.pub")),
      { pub: { allow: [">"] } },
      { signer },
    );
    const connecting = broker.connect({ jwt, keys, inbox: "_INBOX_ship1" });
    await expect(connecting).rejects.toThrow(/Authorization Violation/i);
  });

  test.each([
    { what: "another key than its JWT's", seconds: 60, ownKey: false, ownSigner: true },
    { what: "a JWT that has expired", seconds: -60, ownKey: true, ownSigner: true },
    { what: "a JWT that a stranger signed", seconds: 60, ownKey: true, ownSigner: false },
  ])("does not come in with $what", async ({ seconds, ownKey, ownSigner }) => {
    const keys = newKeyPair("user");
    const jwt = await encodeNodeJwt(
      {
        node: "ship1",
        publicKey: ownKey ? keys.publicKey : newKeyPair("user").publicKey,
        account: broker.text("nats/fleet-account.pub"),
        expiresAt: Date.now() + seconds * 1_000,
      },
      ownSigner ? broker.key("controller/node-signing.seed") : newKeyPair("account"),
    );
    const connecting = broker.connect({ jwt, keys, inbox: "_INBOX_ship1" });
    await expect(connecting).rejects.toThrow(/Authorization Violation|expired/i);
  });
});

describe("who wants to be enrolled", () => {
  test("needs no key, asks for it, and hears the answer", async () => {
    await using newcomer = closing(await connectNewcomer());
    echo(controller, "*.event.enroll");
    await controller.flush();
    const answer = await newcomer.connection.request("ship9.event.enroll", "", { timeout: 5_000 });
    expect(answer.string()).toBe("ship9.event.enroll");
  });

  test("may do nothing else", async () => {
    await using newcomer = closing(await connectNewcomer());
    const refusals = refusalsOf(newcomer.connection);
    const said = ["ship9.event.hello", "ship9.command.ping", "_INBOX_ENROLL.x.1", "$JS.API.INFO"];
    const heard = ["*.command.*", "*.event.enroll", "_INBOX_ENROLL.>", "_INBOX_ship1.*.*", ">"];
    for (const subject of said) newcomer.connection.publish(subject, "");
    for (const subject of heard) {
      newcomer.connection.subscribe(subject, { callback: () => {} });
    }
    await newcomer.connection.flush();
    await vi.waitFor(() => {
      expect(refusals).toEqual([
        ...said.map((subject) => expect.stringContaining(`Publish to "${subject}"`)),
        ...heard.map((subject) => expect.stringContaining(`Subscription to "${subject}"`)),
      ]);
    });
  });
});

describe("the controller", () => {
  test("may not say what nodes say, nor hear what they are told", async () => {
    await using other = closing(await broker.connectController());
    const refusals = refusalsOf(other.connection);
    for (const subject of ["ship1.event.hello", "_INBOX_ship1.x.1", "$SYS.REQ.CLAIMS.UPDATE"]) {
      other.connection.publish(subject, "");
    }
    for (const subject of ["*.command.*", "_INBOX_ship1.*.*", "*.event.*", ">"]) {
      other.connection.subscribe(subject, { callback: () => {} });
    }
    await other.connection.flush();
    await vi.waitFor(() => expect(refusals).toHaveLength(7));
  });

  test("revokes a node with its signing key alone: its connection drops, and it stays out", async () => {
    const [keys, other] = [newKeyPair("user"), newKeyPair("user")];
    const revoked = await broker.connectNode("ship3", keys);
    await using spared = closing(await broker.connectNode("ship4", other));
    await using system = closing(await broker.connectSystem());

    const account = broker.text("nats/fleet-account.pub");
    const names = async (): Promise<unknown> => {
      const asked = `$SYS.REQ.ACCOUNT.${account}.CONNZ`;
      const answer = await system.connection.request(asked, JSON.stringify({ auth: true }), {
        timeout: 5_000,
      });
      return answer.json<{ data: { connections: { authorized_user: string }[] } }>().data
        .connections;
    };
    expect(JSON.stringify(await names())).toContain(keys.publicKey);

    const jwt = await encodeFleetAccountJwt(
      {
        account,
        nodeSigningKey: broker.key("controller/node-signing.seed").publicKey,
        revocations: { [keys.publicKey]: Math.floor(Date.now() / 1_000) },
      },
      broker.key("controller/operator-signing.seed"),
    );
    const pushed = await system.connection.request("$SYS.REQ.CLAIMS.UPDATE", jwt, {
      timeout: 5_000,
    });
    expect(pushed.json()).toMatchObject({ data: { code: 200 } });

    expect(String(await revoked.closed())).toMatch(/revoked|violation/i);
    await expect(broker.connectNode("ship3", keys)).rejects.toThrow(/Authorization Violation/i);
    expect(JSON.stringify(await names())).not.toContain(keys.publicKey);
    await spared.connection.flush();

    const held = await system.connection.request(`$SYS.REQ.ACCOUNT.${account}.CLAIMS.LOOKUP`, "", {
      timeout: 5_000,
    });
    expect(held.string()).toBe(jwt);
  });

  test("cannot do more in the system account than that", async () => {
    await using system = closing(await broker.connectSystem());
    const refusals = refusalsOf(system.connection);
    for (const subject of ["$SYS.REQ.SERVER.PING", "$SYS.REQ.CLAIMS.DELETE", "ship1.command.a"]) {
      system.connection.publish(subject, "", { reply: createInbox("_INBOX_CONTROLLER") });
    }
    system.connection.subscribe("$SYS.>", { callback: () => {} });
    await system.connection.flush();
    await vi.waitFor(() => expect(refusals).toHaveLength(4));
  });
});

function connectNewcomer(): Promise<NatsConnection> {
  return broker.connect({ jwt: broker.text("enrollment/enrollment.jwt"), inbox: "_INBOX_ENROLL" });
}

function closing(connection: NatsConnection): AsyncDisposable & { connection: NatsConnection } {
  return { connection, [Symbol.asyncDispose]: () => connection.close() };
}
