import type { Hello } from "../../protocol/hello.ts";

/** What was heard of one session of a node's agent. */
interface HeardSession {
  readonly id: string;
  /** Of the last hello that was new. */
  readonly sequence: number;
  /** Of the first hello, and of the last that was new: Unix times in milliseconds. */
  readonly firstSignedAt: number;
  readonly lastSignedAt: number;
  /** On the monotonic clock. */
  readonly lastHeardAt: number;
}

/** The sessions of which a node was heard. */
export interface Sessions {
  readonly current?: HeardSession;
  /** Those before it, the latest first. */
  readonly earlier: readonly HeardSession[];
  /** Two agents speak as this node: neither is believed. */
  readonly isConflict: boolean;
}

export const NO_SESSIONS: Sessions = { earlier: [], isConflict: false };

/**
 * News: to be taken up. Old: it was heard before, or it comes from a session that another has followed; nothing
 * follows from it. Conflict: there are two agents.
 */
export type HelloVerdict = "news" | "old" | "conflict";

/**
 * A session that speaks on after a later one has begun is a second agent with the same identity, if what it says
 * was said so long after the first word of the other that it cannot have been under way since.
 */
const MAX_UNDER_WAY_MS = 10_000;
/** An agent that is started over and over leaves one with each start. */
const MAX_EARLIER = 8;

export interface HelloMoment {
  /** On the monotonic clock. */
  readonly now: number;
  /** Two agents are one again when only one was heard for so long. */
  readonly gracePeriodMs: number;
}

/** What a hello makes of what was heard before, and whether anything follows from it. Pure. */
export function withHello(
  before: Sessions,
  hello: Pick<Hello, "sessionID" | "sequence"> & { readonly signedAt: number },
  moment: HelloMoment,
): { readonly sessions: Sessions; readonly verdict: HelloVerdict } {
  const known = allOf(before).find(({ id }) => id === hello.sessionID);
  if (known !== undefined && isRepeated(hello, known)) {
    return { sessions: before, verdict: before.isConflict ? "conflict" : "old" };
  }
  const heard: HeardSession = {
    id: hello.sessionID,
    sequence: hello.sequence,
    firstSignedAt: known?.firstSignedAt ?? hello.signedAt,
    lastSignedAt: hello.signedAt,
    lastHeardAt: moment.now,
  };
  const others = allOf(before).filter(({ id }) => id !== heard.id);
  if (before.isConflict) return inConflict(heard, others, moment);
  const { current } = before;
  if (current === undefined || current.id === heard.id) return news(heard, others);
  if (known === undefined) {
    return hello.signedAt < current.firstSignedAt ? old(before, heard) : news(heard, others);
  }
  const isSecond = hello.signedAt > current.firstSignedAt + MAX_UNDER_WAY_MS;
  return isSecond ? inConflict(heard, others, moment) : old(before, heard);
}

/** A machine that was put back, with its memory, counts from an earlier number, but not from an earlier time. */
function isRepeated(
  hello: { readonly sequence: number; readonly signedAt: number },
  { sequence, lastSignedAt }: HeardSession,
): boolean {
  return hello.sequence <= sequence && hello.signedAt <= lastSignedAt;
}

function inConflict(
  heard: HeardSession,
  others: readonly HeardSession[],
  { now, gracePeriodMs }: HelloMoment,
): ReturnType<typeof withHello> {
  const isAlone = others.every(({ lastHeardAt }) => now - lastHeardAt >= gracePeriodMs);
  if (isAlone) return news(heard, []);
  return { sessions: { ...ordered(heard, others), isConflict: true }, verdict: "conflict" };
}

function news(heard: HeardSession, others: readonly HeardSession[]): ReturnType<typeof withHello> {
  return { sessions: { ...ordered(heard, others), isConflict: false }, verdict: "news" };
}

function old({ current, earlier }: Sessions, heard: HeardSession): ReturnType<typeof withHello> {
  const rest = earlier.filter(({ id }) => id !== heard.id);
  const sessions = {
    ...(current === undefined ? {} : { current }),
    earlier: [heard, ...rest].slice(0, MAX_EARLIER),
    isConflict: false,
  };
  return { sessions, verdict: "old" };
}

function ordered(
  current: HeardSession,
  others: readonly HeardSession[],
): Pick<Required<Sessions>, "current" | "earlier"> {
  return { current, earlier: others.slice(0, MAX_EARLIER) };
}

function allOf({ current, earlier }: Sessions): readonly HeardSession[] {
  return current === undefined ? earlier : [current, ...earlier];
}
