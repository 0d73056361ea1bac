import { randomUUID } from "node:crypto";
import { newKeyPair } from "../../src/identity/key-pair.ts";
import { signerOf } from "../../src/identity/signatures.ts";
import { CONTROLLER_INBOX, nodeInbox, parseSubject } from "../../src/protocol/subjects.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import type { Random } from "../../src/runtime/random.ts";
import { NODES, OURS, until, type FleetWorld, type Heard } from "./fleet-world.ts";
import { contentOf, frameOf, type Said } from "./frame.ts";
import { mutationOf, type Mutation } from "./mutations.ts";
import type { Tally } from "./tally.ts";

const BATCH = 50;
const SETTLE_MS = 500;
/** After that, whoever has not answered a batch is asked the next; late answers count all the same. */
const PATIENCE_MS = 40;

export interface WireAttack {
  readonly random: Random;
  /** What agents and controller said to each other. */
  readonly corpus: readonly Said[];
  readonly tally: Tally;
}

/** The broker itself is hostile: it says to real agents and a real controller what they never said, so many times. */
export async function attackOverTheWire(
  world: FleetWorld,
  mutations: number,
  { random, corpus, tally }: WireAttack,
): Promise<void> {
  const deliverable = new Set(corpus.map(contentOf));
  const stranger = signerOf(newKeyPair("user"));
  const subjects = [...new Set(corpus.map(({ subject }) => subject))].filter(
    (subject) => parseSubject(subject) !== undefined,
  );
  const material = { random, corpus, subjects, stranger };
  const said: SaidSoFar = { mutations: new Map(), answers: new Map() };
  const stop = world.whenHeard(({ subject, data }) => {
    if (said.mutations.has(subject)) said.answers.set(subject, replyIn(data));
  });
  for (let done = 0; done < mutations; done += BATCH) {
    const size = Math.min(BATCH, mutations - done);
    const batch = Array.from({ length: size }, () => mutationOf(material));
    await sayAll(world, batch, said);
  }
  await clock.sleep(SETTLE_MS);
  stop();
  for (const [reply, mutation] of said.mutations) {
    const isSigned = deliverable.has(contentOf(mutation));
    const taken = isSigned ? undefined : takenBy(said.answers.get(reply));
    tally.add(`over the wire: ${mutation.attack}`, taken && `${mutation.subject}: ${taken}`);
  }
}

/** By the reply subject, which is another one for each. */
interface SaidSoFar {
  readonly mutations: Map<string, Mutation>;
  readonly answers: Map<string, unknown>;
}

async function sayAll(
  world: FleetWorld,
  batch: readonly Mutation[],
  said: SaidSoFar,
): Promise<void> {
  const asked: string[] = [];
  for (const mutation of batch.filter(isSubject)) {
    const reply = `${inboxFor(mutation.subject)}.hostile.${randomUUID()}`;
    said.mutations.set(reply, mutation);
    if (parseSubject(mutation.subject) !== undefined) asked.push(reply);
    world.master.publish(mutation.subject, mutation.data, { reply });
  }
  await world.master.flush();
  const end = clock.monotonic() + PATIENCE_MS;
  const isOpen = (): boolean => asked.some((reply) => !said.answers.has(reply));
  while (isOpen() && clock.monotonic() < end) await clock.sleep(2);
}

/** What nobody can publish is no attack. */
function isSubject({ subject }: Said): boolean {
  return !/[\s*>]/.test(subject) && subject.length > 0;
}

/** Where the receiver would answer whoever may speak there. */
function inboxFor(subject: string): string {
  const parts = parseSubject(subject);
  return parts?.direction === "event" ? nodeInbox(parts.node) : CONTROLLER_INBOX;
}

/** What a reply says; undefined for what is none. */
export function replyIn(data: Uint8Array): unknown {
  try {
    const payload: unknown = JSON.parse(Buffer.from(frameOf(data).payload, "base64").toString());
    return (payload as { reply?: unknown }).reply;
  } catch {
    return undefined;
  }
}

/** The answer in which a receiver says that it took what it was told; undefined for refusals and silence. */
export function takenBy(answer: unknown): string | undefined {
  if (typeof answer !== "object" || answer === null) return undefined;
  const { answer: ack, accepted, receipt, enrolled } = answer as Record<string, unknown>;
  const isTaken =
    (ack !== undefined && ack !== "refused") ||
    accepted === true ||
    enrolled === true ||
    (receipt !== undefined && receipt !== "refused");
  return isTaken ? JSON.stringify(answer).slice(0, 300) : undefined;
}

/**
 * Whoever asks gets his answer from the attacker first: an old one, a changed one, one that nobody signed. Commands
 * that are sent meanwhile come late; each comes once.
 */
export async function raceForReplies(
  world: FleetWorld,
  { random, corpus, tally }: WireAttack,
): Promise<void> {
  const old = corpus.filter((said) => said.subject.startsWith("_INBOX"));
  const stranger = signerOf(newKeyPair("user"));
  let raced = 0;
  const stop = world.whenHeard((message: Heard) => {
    const { reply, subject } = message;
    if (reply === undefined || reply.includes(".hostile.") || parseSubject(subject) === undefined)
      return;
    const kind = subject.split(".").slice(1).join(".");
    for (let again = 0; again < 3; again += 1) {
      world.master.publish(
        reply,
        mutationOf({ random, corpus: old, subjects: [reply], stranger }).data,
      );
      raced += 1;
    }
    tally.addMany(`answers first: ${kind.startsWith("command.") ? "command" : kind}`, 3);
  });
  const names = Array.from({ length: 4 }, (_, index) => `raced-${index}`);
  for (const [index, name] of names.entries()) {
    await world.apply(name, NODES[index % NODES.length] ?? "ship1");
  }
  await until("many answers were forged", () => raced > 60);
  stop();
  for (const name of names) {
    const { phase } = await world.completed(name);
    const times = await world.timesRun(name);
    const isFine = phase === "Succeeded" && times === 1;
    tally.add(
      "answers first: the commands meanwhile",
      isFine ? undefined : `${name} is ${phase} and ran ${times} times`,
    );
  }
  for (const node of NODES) await world.untilReady(OURS, node);
}
