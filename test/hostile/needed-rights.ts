import { encodeAccount, fromPublic, fromSeed, newScopedSigner } from "@nats-io/jwt";
import type { NatsServer } from "../../dev/controlplane/control-plane.ts";
import {
  mintNodeCredentials,
  readKeyFile,
  type NatsAccess,
} from "../../dev/controlplane/nats-access.ts";
import { keyPairOf } from "../../src/identity/key-pair.ts";
import { NODE_GRANT, type UserGrant } from "../../src/identity/node-permissions.ts";
import { NatsAccount } from "../../src/nats/account.ts";
import { connectBus, type NatsBus } from "../../src/nats/connect-bus.ts";
import type { NatsCredentials } from "../../src/nats/credentials.ts";
import { CONTROLLER_INBOX, nodeInbox } from "../../src/protocol/subjects.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { RecordingLogger } from "../support/recording-logger.ts";
import type { Tally } from "./tally.ts";

const NODE = "ship1";
const ATTACK = "rights of a node: a line of them that nobody needs";
const TIMEOUT_MS = 1_500;

/** What an agent does on the broker; each is impossible without one line of its rights. */
const OPERATIONS = ["hello", "result", "error", "enroll", "hear a command", "answer it"] as const;
type Operation = (typeof OPERATIONS)[number];

/** Takes away one line of a node's rights after the other, and looks what the agent's own connection cannot do then. */
export async function tryWithoutEachRight(
  server: NatsServer,
  access: NatsAccess,
  tally: Tally,
): Promise<void> {
  const broker = await BrokerWithRights.open(server, access);
  try {
    const whole = await broker.failures(NODE_GRANT);
    tally.add(
      "rights of a node: all of them",
      whole.length === 0 ? undefined : `fails: ${whole.join(", ")}`,
    );
    for (const { line, grant, expected } of grantsWithoutOneLine()) {
      const failures = await broker.failures(grant);
      const isNeeded = failures.includes(expected);
      tally.add(
        ATTACK,
        isNeeded ? undefined : `${line}: without it the agent can still ${expected}`,
      );
    }
    await broker.grant(NODE_GRANT);
  } finally {
    await broker.close();
  }
}

interface Reduced {
  readonly line: string;
  readonly grant: UserGrant;
  readonly expected: Operation;
}

function grantsWithoutOneLine(): Reduced[] {
  const { pub = {}, sub = {} } = NODE_GRANT;
  const published = (pub.allow ?? []).map((line): Reduced => {
    const expected = OPERATIONS.find((operation) => line.endsWith(`.${operation}`)) ?? "hello";
    return {
      line,
      expected,
      grant: { ...NODE_GRANT, pub: { ...pub, allow: without(pub.allow, line) } },
    };
  });
  const heard = (sub.allow ?? []).map((line): Reduced => {
    const expected = line.includes(".command.") ? "hear a command" : "hello";
    return {
      line,
      expected,
      grant: { ...NODE_GRANT, sub: { ...sub, allow: without(sub.allow, line) } },
    };
  });
  const { resp, ...rest } = NODE_GRANT;
  const line = `resp ${JSON.stringify(resp)}`;
  const silent: Reduced = { line, expected: "answer it", grant: rest };
  return [...published, ...heard, silent];
}

function without(lines: readonly string[] | undefined, line: string): string[] {
  return (lines ?? []).filter((other) => other !== line);
}

class BrokerWithRights {
  readonly #access: NatsAccess;
  readonly #url: string;
  readonly #keysDir: string;
  readonly #system: NatsBus;
  readonly #controller: NatsBus;

  static async open(server: NatsServer, access: NatsAccess): Promise<BrokerWithRights> {
    const broker = new BrokerWithRights(server.url, server.keysDir ?? "", access);
    await until(() => broker.#system.connected && broker.#controller.connected);
    return broker;
  }

  private constructor(url: string, keysDir: string, access: NatsAccess) {
    this.#url = url;
    this.#keysDir = keysDir;
    this.#access = access;
    this.#system = this.#open(access.system, CONTROLLER_INBOX);
    this.#controller = this.#open(access.controller, CONTROLLER_INBOX);
    for (const event of ["hello", "result", "error", "enroll"]) {
      this.#controller.subscribe(`*.event.${event}`, (message) => message.respond(message.data));
    }
  }

  #open(credentials: NatsCredentials, inbox: string): NatsBus {
    return connectBus({
      servers: [this.#url],
      name: "hostile",
      inbox,
      credentials: () => credentials,
      ca: () => this.#access.ca,
      clock,
      random: Math.random,
      logger: new RecordingLogger(),
    });
  }

  /** What an agent cannot do with these rights. */
  async failures(grant: UserGrant): Promise<Operation[]> {
    await this.grant(grant);
    const credentials = await mintNodeCredentials(this.#keysDir, NODE);
    await using node = this.#open(credentials, nodeInbox(NODE));
    let heard = 0;
    node.subscribe(`${NODE}.command.*`, (message) => {
      heard += 1;
      message.respond(message.data);
    });
    await until(() => node.connected);
    const failed: Operation[] = [];
    for (const event of ["hello", "result", "error", "enroll"] as const) {
      const outcome = await node.request(`${NODE}.event.${event}`, Buffer.of(1), {
        timeoutMs: TIMEOUT_MS,
      });
      if (outcome.kind !== "reply") failed.push(event);
    }
    const answer = await this.#controller.request(`${NODE}.command.ping`, Buffer.of(1), {
      timeoutMs: TIMEOUT_MS,
    });
    if (heard === 0) failed.push("hear a command");
    if (answer.kind !== "reply") failed.push("answer it");
    return failed;
  }

  async grant(grant: UserGrant): Promise<void> {
    const key = async (file: "node-signing" | "operator-signing"): Promise<string> =>
      readKeyFile(this.#keysDir, `controller/${file}.seed`);
    const nodes = fromPublic(keyPairOf(await key("node-signing")).publicKey);
    const scope = newScopedSigner(nodes, "node", structuredClone(grant));
    // The library puts zeros where there is nothing, and the broker takes those for its default: one answer.
    if (grant.resp === undefined) delete scope.template.resp;
    const unlimited = { conn: -1, subs: -1, data: -1, payload: -1, wildcards: true };
    const jwt = await encodeAccount(
      "STEWARD",
      fromPublic(this.#access.account),
      { limits: unlimited, signing_keys: [scope] },
      { signer: fromSeed(Buffer.from(await key("operator-signing"))) },
    );
    const { account } = this.#access;
    await new NatsAccount({ bus: this.#system, account, issuers: [] }).push(jwt);
    await until(() => this.#controller.connected);
  }

  async close(): Promise<void> {
    await Promise.all([this.#system.close(), this.#controller.close()]);
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await clock.sleep(10);
}
