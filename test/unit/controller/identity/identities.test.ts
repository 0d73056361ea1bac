import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";

import type { EdgeNode, EdgeNodeSpec } from "../../../../src/api/v1alpha1/edgenode.ts";
import type { KeyPair } from "../../../../src/identity/key-pair.ts";
import { newKeyPair } from "../../../../src/identity/key-pair.ts";
import { signerOf } from "../../../../src/identity/signatures.ts";
import { enrollMessage, enrollReplyMessage, type Enroll } from "../../../../src/protocol/enroll.ts";
import { decodeReply, encodeMessage } from "../../../../src/protocol/envelope.ts";
import { ENROLLMENT_INBOX, eventSubject } from "../../../../src/protocol/subjects.ts";
import { timestampOf } from "../../../../src/runtime/clock.ts";
import { settle } from "../../../support/fake-clock.ts";
import { NODE_KEY, TOKEN_KEY } from "../../../support/test-keys.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import type { MemoryBus } from "../../agent/memory-bus.ts";
import { CLUSTER_ID, COMMAND_KEYS, World } from "../controller-world.ts";
import { FakeBroker, LIFETIME_MS } from "./fake-broker.ts";

const NODE = "default/ship1";
const KEY = NODE_KEY.publicKey;

class Fleet {
  readonly clock = new FakeClock(Date.parse("2026-11-24T06:00:00.250Z"));
  readonly broker = new FakeBroker(this.clock);
  readonly world = new World({ identity: this.broker.ports(), clock: this.clock });
  readonly newcomer: MemoryBus = this.world.broker.connect(ENROLLMENT_INBOX);

  async start(spec?: Partial<EdgeNodeSpec>): Promise<this> {
    await this.world.start();
    if (spec !== undefined) await this.declare(spec);
    return this;
  }

  async declare(spec: Partial<EdgeNodeSpec>): Promise<void> {
    await this.world.nodes.create({
      metadata: { namespace: "default", name: "ship1" },
      spec: { disabled: false, ...spec },
    });
    await settle();
  }

  node(): EdgeNode {
    const node = this.world.nodes.get(NODE);
    if (node === undefined) throw new Error("there is no node");
    return node;
  }

  async edit(spec: Partial<EdgeNodeSpec>): Promise<void> {
    const node = this.node();
    await this.world.nodes.updateSpec(node, { ...node.spec, ...spec });
    await this.clock.advance(10);
  }

  token(forMs = 3_600_000): NonNullable<EdgeNodeSpec["enrollment"]> {
    const expiresAt = timestampOf(this.clock.now() + forMs);
    return { publicKey: TOKEN_KEY.publicKey, expiresAt };
  }

  /** Undefined if nobody answers. */
  async enroll(key: KeyPair, token?: KeyPair, overrides: Partial<Enroll> = {}): Promise<unknown> {
    const request: Enroll = {
      namespace: "default",
      node: "ship1",
      publicKey: key.publicKey,
      ...(token === undefined ? {} : { token: token.publicKey }),
      nonce: randomUUID(),
      ...overrides,
    };
    const keys = token === undefined ? [key] : [key, token];
    return this.ask(encodeMessage(enrollMessage, request, keys.map(signerOf)));
  }

  async ask(data: Uint8Array, bus = this.newcomer): Promise<unknown> {
    const cancel = new AbortController();
    const subject = eventSubject("ship1", "enroll");
    const asked = bus.request(subject, data, { timeoutMs: 60_000, signal: cancel.signal });
    await this.clock.advance(3_000);
    cancel.abort();
    const outcome = await asked;
    if (outcome.kind !== "reply") return undefined;
    const { trust } = this.world;
    return decodeReply(enrollReplyMessage, outcome.data, { request: data, trust });
  }
}

describe("enrolling", () => {
  test("with a token makes the key the node's, uses the token up, and gives a JWT", async () => {
    const fleet = await new Fleet().start();
    await fleet.declare({ enrollment: fleet.token() });
    const askedAt = fleet.clock.now();
    expect(await fleet.enroll(NODE_KEY, TOKEN_KEY)).toEqual({
      enrolled: true,
      time: expect.any(String),
      clusterID: CLUSTER_ID,
      jwt: "jwt-of-ship1",
      issuedAt: timestampOf(askedAt),
      expiresAt: timestampOf(askedAt + LIFETIME_MS),
      commandKeys: COMMAND_KEYS,
    });
    expect(fleet.node().spec).toEqual({ disabled: false, publicKey: KEY });
    expect(fleet.node().status.identity).toEqual({
      publicKey: KEY,
      credentialsExpire: timestampOf(askedAt + LIFETIME_MS),
    });
    expect(fleet.world.events.map(({ reason }) => reason)).toContain("Enrolled");
  });

  test("gives the same key another JWT each time, and another key none", async () => {
    const fleet = await new Fleet().start();
    await fleet.declare({ enrollment: fleet.token() });
    await fleet.enroll(NODE_KEY, TOKEN_KEY);
    expect(await fleet.enroll(NODE_KEY, TOKEN_KEY)).toMatchObject({ enrolled: true });
    expect(await fleet.enroll(NODE_KEY)).toMatchObject({ enrolled: true });
    expect(await fleet.enroll(newKeyPair("user"), TOKEN_KEY)).toMatchObject({
      enrolled: false,
      reason: "KeyNotApproved",
    });
    expect(fleet.node().spec.publicKey).toBe(KEY);
    expect(fleet.world.events.filter(({ reason }) => reason === "Enrolled")).toHaveLength(1);
    expect(fleet.world.events.map(({ reason }) => reason)).toContain("EnrollmentRefused");
  });

  test("over and over again makes and writes nothing more for a minute", async () => {
    const fleet = await new Fleet().start({ publicKey: KEY });
    const first = await fleet.enroll(NODE_KEY);
    const { writes } = fleet.world.nodes;
    for (let i = 0; i < 10; i += 1) {
      const { expiresAt } = first as { expiresAt: string };
      expect(await fleet.enroll(NODE_KEY)).toMatchObject({ enrolled: true, expiresAt });
    }
    expect(fleet.broker.minted).toHaveLength(1);
    expect(fleet.world.nodes.writes).toBe(writes);
    await fleet.clock.advance(60_000);
    await fleet.enroll(NODE_KEY);
    expect(fleet.broker.minted).toHaveLength(2);
  });

  test("right after it was revoked gives what is good, not what was issued before", async () => {
    const fleet = await new Fleet().start({ publicKey: KEY });
    await fleet.enroll(NODE_KEY);
    await fleet.edit({ disabled: true });
    await fleet.edit({ disabled: false });
    await fleet.enroll(NODE_KEY);
    expect(fleet.broker.pushed).toHaveProperty(KEY);
    expect(fleet.broker.letsIn(KEY)).toBe(true);
  });

  test("where it cannot succeed fills no log", async () => {
    const fleet = await new Fleet().start({ publicKey: KEY });
    const node = fleet.node();
    const notFound: unknown = await new World().nodes
      .delete(node)
      .catch((thrown: unknown) => thrown);
    // As of the namespace, which an API server says of what is in none.
    fleet.world.nodes.getLive = () => Promise.reject(notFound);
    expect(await fleet.enroll(NODE_KEY)).toMatchObject({ reason: "NotEnrolled" });
    fleet.world.nodes.getLive = () => Promise.reject(new Error("injected"));
    const lines = fleet.world.logger.lines.length;
    for (let i = 0; i < 10; i += 1) await fleet.enroll(NODE_KEY);
    expect(fleet.world.logger.lines.length).toBe(lines + 1);
  });

  test("of two keys with one token at the same time lets in one", async () => {
    const fleet = await new Fleet().start();
    await fleet.declare({ enrollment: fleet.token() });
    const keys = [newKeyPair("user"), newKeyPair("user"), newKeyPair("user")];
    const replies = await Promise.all(keys.map((key) => fleet.enroll(key, TOKEN_KEY)));
    const enrolled = replies.filter((reply) => (reply as { enrolled: boolean }).enrolled);
    expect(enrolled).toHaveLength(1);
    expect(new Set(fleet.broker.minted.map(({ publicKey }) => publicKey))).toEqual(
      new Set([fleet.node().spec.publicKey]),
    );
  });

  test("goes by the API server, not by a cache that is behind", async () => {
    const fleet = await new Fleet().start();
    fleet.world.nodes.watching = false;
    await fleet.declare({ publicKey: KEY });
    expect(fleet.world.nodes.get(NODE)).toBeUndefined();
    expect(await fleet.enroll(NODE_KEY)).toMatchObject({ enrolled: true });
  });

  test("with signatures that are not those it names is refused, or not answered", async () => {
    const fleet = await new Fleet().start();
    await fleet.declare({ publicKey: KEY, enrollment: fleet.token() });
    const request: Enroll = {
      namespace: "default",
      node: "ship1",
      publicKey: KEY,
      nonce: randomUUID(),
    };
    const stranger = [signerOf(newKeyPair("user"))];
    const bySomebodyElse = encodeMessage(enrollMessage, request, stranger);
    expect(await fleet.ask(bySomebodyElse)).toMatchObject({ reason: "Malformed" });
    expect(await fleet.ask(encodeMessage(enrollMessage, request, []))).toBeUndefined();
    expect(fleet.broker.minted).toEqual([]);
  });

  test("is answered in the inbox of the node and of newcomers only", async () => {
    const fleet = await new Fleet().start({ publicKey: KEY });
    const request = { namespace: "default", node: "ship1", publicKey: KEY, nonce: randomUUID() };
    const data = encodeMessage(enrollMessage, request, [signerOf(NODE_KEY)]);
    const { broker, ship } = fleet.world;
    expect(await fleet.ask(data, broker.connect("ship2.command"))).toBeUndefined();
    expect(await fleet.ask(data, broker.connect("_INBOX_ship2"))).toBeUndefined();
    expect(fleet.broker.minted).toEqual([]);
    expect(await fleet.ask(data, ship)).toMatchObject({ enrolled: true });
  });

  test("in another cluster, or under another name than the subject's, gives nothing", async () => {
    const fleet = await new Fleet().start({ publicKey: KEY });
    expect(await fleet.enroll(NODE_KEY, undefined, { clusterID: randomUUID() })).toBeUndefined();
    expect(await fleet.enroll(NODE_KEY, undefined, { node: "ship2" })).toMatchObject({
      reason: "Malformed",
    });
  });

  test("gives nothing when nothing can be written down", async () => {
    const fleet = await new Fleet().start({ publicKey: KEY });
    fleet.world.nodes.updateStatus = () => Promise.reject(new Error("injected"));
    expect(await fleet.enroll(NODE_KEY)).toMatchObject({ reason: "Unavailable" });
  });

  test("anew with another key revokes the one before, first", async () => {
    const fleet = await new Fleet().start({ publicKey: KEY });
    await fleet.enroll(NODE_KEY);
    const other = newKeyPair("user");
    await fleet.edit({ enrollment: fleet.token() });
    fleet.broker.failing = "record";
    expect(await fleet.enroll(other, TOKEN_KEY)).toMatchObject({ reason: "Unavailable" });
    expect(fleet.node().status.identity?.publicKey).toBe(KEY);
    fleet.broker.failing = "nothing";
    expect(await fleet.enroll(other, TOKEN_KEY)).toMatchObject({ enrolled: true });
    await fleet.clock.advance(120_000);
    expect(fleet.broker.letsIn(KEY)).toBe(false);
    expect(fleet.broker.letsIn(other.publicKey)).toBe(true);
    expect(fleet.node().status.identity?.publicKey).toBe(other.publicKey);
  });
});

async function joined(): Promise<Fleet> {
  const fleet = await new Fleet().start({ publicKey: KEY });
  await fleet.enroll(NODE_KEY);
  fleet.broker.connected = [{ publicKey: KEY, name: "ship1" }];
  await fleet.clock.advance(120_000);
  expect(fleet.broker.letsIn(KEY)).toBe(true);
  return fleet;
}

describe("what was issued is void", () => {
  test("when the EdgeNode is deleted", async () => {
    const fleet = await joined();
    fleet.world.nodes.remove(NODE);
    await fleet.clock.advance(10);
    expect(fleet.broker.letsIn(KEY)).toBe(false);
    expect(fleet.broker.connected).toEqual([]);
  });

  test("not when another EdgeNode is deleted that names the key of somebody else", async () => {
    const fleet = await joined();
    const metadata = { namespace: "other", name: "decoy" };
    await fleet.world.nodes.create({ metadata, spec: { disabled: false, publicKey: KEY } });
    await settle();
    fleet.world.nodes.remove("other/decoy");
    await fleet.clock.advance(120_000);
    expect(fleet.broker.letsIn(KEY)).toBe(true);
    expect(fleet.broker.record.has(KEY)).toBe(false);
  });

  test("when the EdgeNode was deleted while nothing could be written for want of the lease", async () => {
    const fleet = await joined();
    fleet.broker.connected = [];
    fleet.world.mayAct = false;
    fleet.world.nodes.remove(NODE);
    await fleet.clock.advance(10);
    expect(fleet.broker.record.has(KEY)).toBe(false);
    fleet.world.mayAct = true;
    await fleet.clock.advance(61_000);
    expect(fleet.broker.letsIn(KEY)).toBe(false);
  });

  test("until the longest-lived of a key's JWTs has expired, also when lives were cut", async () => {
    const fleet = await joined();
    const node = fleet.node();
    const credentialsExpire = timestampOf(fleet.clock.now() + 10 * LIFETIME_MS);
    const identity = { publicKey: KEY, credentialsExpire };
    await fleet.world.nodes.updateStatus(node, { ...node.status, identity });
    expect(await fleet.enroll(NODE_KEY)).toMatchObject({ enrolled: true });
    fleet.world.nodes.remove(NODE);
    await fleet.clock.advance(10);
    expect(fleet.broker.record.get(KEY)?.until).toBe(Date.parse(credentialsExpire));
  });

  test("while it is disabled, and what is issued later is good", async () => {
    const fleet = await joined();
    await fleet.edit({ disabled: true });
    expect(fleet.broker.letsIn(KEY)).toBe(false);
    expect(await fleet.enroll(NODE_KEY)).toMatchObject({ reason: "Disabled" });
    await fleet.edit({ disabled: false });
    expect(fleet.broker.letsIn(KEY)).toBe(false);
    expect(await fleet.enroll(NODE_KEY)).toMatchObject({ enrolled: true });
    expect(fleet.broker.letsIn(KEY)).toBe(true);
    await fleet.edit({ disabled: true });
    expect(fleet.broker.letsIn(KEY)).toBe(false);
  });

  test("but not what is issued in the second in which it was revoked", async () => {
    const fleet = await joined();
    await fleet.edit({ disabled: true });
    await fleet.edit({ disabled: false });
    expect(await fleet.enroll(NODE_KEY)).toMatchObject({ enrolled: true });
    expect(fleet.broker.letsIn(KEY)).toBe(true);
  });

  test("when its key is taken out of Git, or is another", async () => {
    const fleet = await joined();
    await fleet.edit({ publicKey: newKeyPair("user").publicKey });
    expect(fleet.broker.letsIn(KEY)).toBe(false);
    await fleet.clock.advance(10);
    expect(fleet.node().status).not.toHaveProperty("identity");
  });

  test("though the broker was away meanwhile", async () => {
    const fleet = await joined();
    fleet.broker.failing = "broker";
    fleet.world.nodes.remove(NODE);
    await fleet.clock.advance(600_000);
    expect(fleet.broker.record.has(KEY)).toBe(true);
    fleet.broker.failing = "nothing";
    await fleet.clock.advance(61_000);
    expect(fleet.broker.letsIn(KEY)).toBe(false);
  });

  test("though nobody saw the deletion: who is connected and no node is thrown out", async () => {
    const fleet = new Fleet();
    fleet.broker.connected = [
      { publicKey: KEY, name: "ship1" },
      { publicKey: "controller", name: "steward-controller" },
    ];
    await fleet.start();
    await fleet.clock.advance(10);
    expect(fleet.broker.connected).toEqual([
      { publicKey: "controller", name: "steward-controller" },
    ]);
  });

  test("not by a controller of one namespace, which does not know all nodes", async () => {
    const clock = new FakeClock(0);
    const broker = new FakeBroker(clock);
    const world = new World({ identity: broker.ports(), clock, namespace: "default" });
    broker.connected = [{ publicKey: KEY, name: "ship9" }];
    await world.start();
    await clock.advance(120_000);
    expect(broker.connected).toHaveLength(1);
  });

  test("though the record was lost: what the broker has stays", async () => {
    const fleet = await joined();
    fleet.world.nodes.remove(NODE);
    await fleet.clock.advance(10);
    const next = new Fleet();
    next.broker.pushed = fleet.broker.pushed;
    next.broker.isOurs = false;
    await next.start();
    await next.clock.advance(10);
    expect(next.broker.pushes).toBe(1);
    expect(next.broker.pushed).toHaveProperty(KEY);
    expect(next.broker.record.has(KEY)).toBe(true);
  });

  test("also when the machine's clock, by which JWTs are issued, is far ahead", async () => {
    const clock = new FakeClock(Date.parse("2026-11-24T06:00:00.000Z"));
    const broker = new FakeBroker(clock);
    const ports = broker.ports();
    const ahead = (): number => clock.now() + 10 * LIFETIME_MS;
    const identity = { ...ports, credentials: { ...ports.credentials, now: ahead } };
    const until = clock.now() + LIFETIME_MS;
    broker.record = new Map([[KEY, { revokedAt: 1, until }]]);
    await new World({ identity, clock }).start();
    await clock.advance(120_000);
    expect(broker.record.has(KEY)).toBe(true);
  });

  test("and the broker is not asked for every change of a node", async () => {
    const fleet = await joined();
    const { lookups } = fleet.broker;
    for (let i = 0; i < 20; i += 1) {
      await fleet.world.hello({ agentVersion: `0.1.${i}` });
      await fleet.clock.advance(10);
    }
    expect(fleet.node().status.agentVersion).toBe("0.1.19");
    expect(fleet.broker.lookups - lookups).toBeLessThanOrEqual(1);
  });

  test("and nothing is pushed while the broker has it all", async () => {
    const fleet = await joined();
    const { pushes } = fleet.broker;
    await fleet.clock.advance(600_000);
    expect(fleet.broker.pushes).toBe(pushes);
  });
});
