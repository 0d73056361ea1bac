import { randomUUID } from "node:crypto";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ControllerClock } from "../../../src/agent/controller-clock.ts";
import {
  Credentials,
  credentialsStep,
  renewalTime,
  type CredentialsStep,
} from "../../../src/agent/credentials.ts";
import type { EnrollingIdentity } from "../../../src/agent/enrollment.ts";
import { signerOf } from "../../../src/identity/signatures.ts";
import { readJwt, type JwtFacts } from "../../../src/identity/user-jwt.ts";
import type { CommandKeySet } from "../../../src/protocol/command-keys.ts";
import {
  enrollMessage,
  enrollReplyMessage,
  type Enroll,
  type EnrollReply,
} from "../../../src/protocol/enroll.ts";
import { decodeMessage, encodeReply } from "../../../src/protocol/envelope.ts";
import type { Signer } from "../../../src/protocol/signature.ts";
import { ErrorKernel, type ProcessError } from "../../../src/runtime/errorkernel.ts";
import { TRUST_IN_CONTROLLER, TRUST_IN_NODE } from "../../support/agent-security.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import {
  CONTROLLER_KEY,
  CONTROLLER_SIGNERS,
  NODE_KEY,
  NODE_SIGNERS,
  TOKEN_KEY,
} from "../../support/test-keys.ts";
import { trustIn } from "../../../src/identity/signatures.ts";
import { CLUSTER_ID } from "./controller-side.ts";
import { settle } from "./settle.ts";
import { ScriptedBus, type SentRequest } from "./scripted-bus.ts";

const HOUR_MS = 3_600_000;
const NOW = Date.parse("2026-11-24T06:00:00.000Z");
const COMMAND_KEYS: CommandKeySet = { serial: 1, keys: [CONTROLLER_KEY.publicKey] };
const NEWER_KEYS: CommandKeySet = { serial: 2, keys: [CONTROLLER_KEY.publicKey] };

/** What a node reads of a JWT; nobody looks at who signed it but the broker. */
function jwtOf(issuedAt: number, lifeMs = 3 * HOUR_MS, subject = NODE_KEY.publicKey): string {
  const [iat, exp] = [issuedAt / 1_000, (issuedAt + lifeMs) / 1_000];
  const claims = { name: "ship1", sub: subject, iss: "A", iat, exp };
  return `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;
}

class MemoryIdentity implements EnrollingIdentity {
  readonly known = {
    servers: ["tls://broker"],
    node: "ship1",
    namespace: "default",
    clusterID: CLUSTER_ID,
    ca: "CA",
    commandKeys: COMMAND_KEYS,
    enrollmentJwt: "e.e.e",
  };
  readonly publicKey = NODE_KEY.publicKey;
  readonly signers = NODE_SIGNERS;
  readonly trust = TRUST_IN_CONTROLLER;
  readonly learned: CommandKeySet[] = [];
  token: Signer | undefined;
  jwt: string | undefined;

  get credentialFacts(): JwtFacts | undefined {
    return this.jwt === undefined ? undefined : readJwt(this.jwt);
  }

  isOwnCredential(jwt: string): boolean {
    return readJwt(jwt).subject === this.publicKey;
  }

  async learn(keys: CommandKeySet): Promise<void> {
    this.learned.push(keys);
  }

  async keepCredentials(jwt: string): Promise<void> {
    this.jwt = jwt;
  }
}

class EnrollmentBus extends ScriptedBus implements AsyncDisposable {
  isOpen = true;

  async [Symbol.asyncDispose](): Promise<void> {
    this.isOpen = false;
  }
}

class World {
  readonly identity = new MemoryIdentity();
  readonly bus = new ScriptedBus();
  readonly clock = new FakeClock();
  readonly controllerClock = new ControllerClock(this.clock);
  readonly logger = new RecordingLogger();
  readonly reports: ProcessError[] = [];
  readonly opened: EnrollmentBus[] = [];
  dials = 0;
  readonly credentials = new Credentials({
    identity: this.identity,
    openEnrollmentBus: () => {
      const bus = new EnrollmentBus();
      this.opened.push(bus);
      return bus;
    },
    dialNow: () => {
      this.dials += 1;
    },
    clock: this.clock,
    random: () => 1,
    newID: randomUUID,
    logger: this.logger,
  });
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  /** `connected`: the broker takes the node's credentials. */
  async start(connected: boolean): Promise<void> {
    this.bus.connected = connected;
    const kernel = new ErrorKernel({
      logger: this.logger,
      onReport: (report) => this.reports.push(report),
      onShutdown: () => undefined,
    });
    const { bus, controllerClock } = this;
    this.#running = this.credentials.run({ bus, controllerClock, kernel }, this.#stop.signal);
    await settle();
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** The last request over an enrollment connection, or else over the node's own. */
  get request(): SentRequest {
    const request = this.opened.at(-1)?.requests.at(-1) ?? this.bus.requests.at(-1);
    if (request === undefined) throw new Error("nothing is asked");
    return request;
  }

  async answer(reply: EnrollReply, { signers = CONTROLLER_SIGNERS, to = this.request } = {}) {
    const data = encodeReply(enrollReplyMessage, reply, { request: to.data, signers });
    this.request.answer({ kind: "reply", data });
    await settle();
  }
}

function enrolled(overrides: Partial<Extract<EnrollReply, { enrolled: true }>> = {}): EnrollReply {
  return {
    enrolled: true,
    time: new Date(NOW).toISOString(),
    clusterID: CLUSTER_ID,
    jwt: jwtOf(NOW),
    issuedAt: new Date(NOW).toISOString(),
    expiresAt: new Date(NOW + 3 * HOUR_MS).toISOString(),
    commandKeys: COMMAND_KEYS,
    ...overrides,
  };
}

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

describe("what to do for credentials", () => {
  const facts = readJwt(jwtOf(NOW));
  const good = { facts, connected: true, refused: false, now: NOW };
  const cases: ReadonlyArray<readonly [string, Partial<typeof good>, CredentialsStep]> = [
    ["nothing while they are young", {}, "wait"],
    ["renew them at two thirds of their life", { now: NOW + 2 * HOUR_MS }, "renew"],
    ["nothing just before", { now: NOW + 2 * HOUR_MS - 1 }, "wait"],
    ["nothing offline, although it is time", { connected: false, now: NOW + 2 * HOUR_MS }, "wait"],
    ["enroll when they have expired", { connected: false, now: NOW + 3 * HOUR_MS }, "enroll"],
    ["enroll when the broker refuses them", { connected: false, refused: true }, "enroll"],
    ["nothing if the broker takes them after all", { refused: true }, "wait"],
  ];

  test.each(cases)("%s", (_, state, step) => {
    expect(credentialsStep({ ...good, ...state })).toBe(step);
  });

  test("enroll without any", () => {
    expect(credentialsStep({ ...good, connected: false, facts: undefined })).toBe("enroll");
  });

  test("nothing before the time is known", () => {
    expect(credentialsStep({ ...good, now: undefined })).toBe("wait");
    expect(credentialsStep({ ...good, connected: false, now: undefined })).toBe("wait");
  });

  test("they are renewed before they expire and not at once, however long they live", () => {
    const moment = fc.integer({ min: 0, max: 4e12 });
    const life = fc.integer({ min: 1, max: 1e12 });
    fc.assert(
      fc.property(moment, life, (issuedAt, lifeMs) => {
        const at = renewalTime({ ...facts, issuedAt, expiresAt: issuedAt + lifeMs });
        expect(at).toBeGreaterThan(issuedAt);
        expect(at).toBeLessThan(issuedAt + lifeMs);
      }),
    );
    expect(renewalTime({ ...facts, expiresAt: undefined })).toBe(Infinity);
  });
});

function asked(trust: typeof TRUST_IN_NODE): Enroll {
  return decodeMessage(enrollMessage, world.request.data, trust);
}

test("a node without credentials asks apart, as itself and with its token, and keeps what it gets", async () => {
  world.identity.token = signerOf(TOKEN_KEY);
  await world.start(false);
  expect(world.request.subject).toBe("ship1.event.enroll");
  const request = asked(TRUST_IN_NODE);
  expect(request).toEqual(asked(trustIn(() => [TOKEN_KEY.publicKey])));
  expect(request).toMatchObject({
    namespace: "default",
    node: "ship1",
    clusterID: CLUSTER_ID,
    publicKey: NODE_KEY.publicKey,
    token: TOKEN_KEY.publicKey,
  });
  await world.answer(enrolled({ commandKeys: NEWER_KEYS }));
  expect(world.identity.jwt).toBe(jwtOf(NOW));
  expect(world.identity.learned).toEqual([NEWER_KEYS]);
  expect(world.dials).toBe(1);
  expect(world.opened.map(({ isOpen }) => isOpen)).toEqual([false]);
});

test("credentials are renewed over the node's own connection at two thirds of their life", async () => {
  world.identity.jwt = jwtOf(NOW);
  world.controllerClock.set(NOW);
  await world.start(true);
  await world.clock.advance(2 * HOUR_MS - 60_000);
  expect(world.bus.requests).toEqual([]);
  await world.clock.advance(60_000);
  expect(world.bus.requests).toHaveLength(1);
  expect(asked(TRUST_IN_NODE)).not.toHaveProperty("token");
  const renewed = jwtOf(NOW + 2 * HOUR_MS);
  await world.answer(enrolled({ jwt: renewed }));
  expect(world.identity.jwt).toBe(renewed);
  await world.clock.advance(2 * HOUR_MS - 60_000);
  expect(world.bus.requests).toHaveLength(1);
  await world.clock.advance(120_000);
  expect(world.bus.requests).toHaveLength(2);
  expect(world.opened).toEqual([]);
});

test("a node that is offline asks for nothing until its credentials have expired", async () => {
  world.identity.jwt = jwtOf(NOW);
  world.controllerClock.set(NOW);
  await world.start(false);
  await world.clock.advance(3 * HOUR_MS - 60_000);
  expect(world.opened).toEqual([]);
  await world.clock.advance(60_000);
  expect(world.opened).toHaveLength(1);
});

test("when the broker refuses the credentials, it asks apart at once", async () => {
  world.identity.jwt = jwtOf(NOW);
  await world.start(false);
  expect(world.opened).toEqual([]);
  world.credentials.refused();
  await settle();
  await world.answer(enrolled({ jwt: jwtOf(NOW + 60_000) }));
  expect(world.identity.jwt).toBe(jwtOf(NOW + 60_000));
  expect(world.dials).toBe(1);
});

/** The pauses between attempts, each ended by `fail`. */
async function pauses(count: number, fail: () => Promise<void>): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) {
    const [before, soFar] = [world.clock.monotonic(), world.opened.length];
    await fail();
    while (world.opened.length === soFar) await world.clock.advance(1_000);
    found.push(world.clock.monotonic() - before);
  }
  return found;
}

const UP_TO_5_MIN = [4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000];

test("without an answer it asks again, less and less often up to every five minutes", async () => {
  await world.start(false);
  const found = await pauses(UP_TO_5_MIN.length, async () => {
    world.request.answer({ kind: "noResponders" });
    await settle();
  });
  expect(found).toEqual(UP_TO_5_MIN);
});

test("new credentials that the broker refuses at once, again and again, are asked for as slowly", async () => {
  await world.start(false);
  const found = await pauses(UP_TO_5_MIN.length, async () => {
    await world.answer(enrolled());
    world.credentials.refused();
  });
  expect(found).toEqual(UP_TO_5_MIN);
});

test("the wait grows also when the broker refuses new credentials a while after they came", async () => {
  await world.start(false);
  await world.answer(enrolled());
  await world.clock.advance(90_000);
  world.credentials.refused();
  await settle();
  expect(world.opened).toHaveLength(2);
  world.request.answer({ kind: "timeout" });
  await world.clock.advance(7_999);
  expect(world.opened).toHaveLength(2);
  await world.clock.advance(1);
  expect(world.opened).toHaveLength(3);
});

test("a refusal is logged once for each reason, and it goes on", async () => {
  await world.start(false);
  for (const reason of ["NotEnrolled", "NotEnrolled", "Disabled"] as const) {
    await world.answer({ enrolled: false, reason, message: `it is ${reason}` });
    await world.clock.advance(60_000);
  }
  expect(world.logger.lines.map(({ message }) => message)).toEqual([
    "no credentials for this node: it is NotEnrolled",
    "no credentials for this node: it is Disabled",
  ]);
  await world.answer(enrolled());
  expect(world.identity.jwt).toBe(jwtOf(NOW));
});

const OTHER_CLUSTER = "c2c2c2c2-0000-4000-8000-000000000002";
test.each([
  ["nobody has signed", enrolled(), { signers: [] }],
  ["the node itself has signed", enrolled(), { signers: NODE_SIGNERS }],
  ["is of another cluster", enrolled({ clusterID: OTHER_CLUSTER }), {}],
  ["is for another key", enrolled({ jwt: jwtOf(NOW, HOUR_MS, TOKEN_KEY.publicKey) }), {}],
])("a reply that %s gives no credentials and teaches nothing", async (_, reply, options) => {
  await world.start(false);
  await world.answer(reply, options);
  expect(world.identity.jwt).toBeUndefined();
  expect(world.identity.learned).toEqual([]);
  expect(world.dials).toBe(0);
});

test("a reply to an earlier request gives no credentials", async () => {
  await world.start(false);
  const earlier = world.request;
  earlier.answer({ kind: "timeout" });
  await world.clock.advance(4_000);
  await world.answer(enrolled(), { to: earlier });
  expect(world.identity.jwt).toBeUndefined();
});

test("credentials that cannot be kept are reported, and asked for again", async () => {
  await world.start(false);
  world.identity.keepCredentials = () => Promise.reject(new Error("the disk is full"));
  await world.answer(enrolled());
  expect(world.reports).toMatchObject([{ process: "credentials", severity: "warning" }]);
  await world.clock.advance(4_000);
  expect(world.opened).toHaveLength(2);
});
