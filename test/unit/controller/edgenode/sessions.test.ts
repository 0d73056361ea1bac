import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  NO_SESSIONS,
  withHello,
  type HelloVerdict,
  type Sessions,
} from "../../../../src/controller/edgenode/sessions.ts";

const GRACE_MS = 100_000;

interface Said {
  readonly session: string;
  readonly sequence: number;
  readonly signedAt: number;
  /** When it came; with `signedAt` unless told. */
  readonly at?: number;
}

function hear(sessions: Sessions, { session, sequence, signedAt, at }: Said) {
  const moment = { now: at ?? signedAt, gracePeriodMs: GRACE_MS };
  return withHello(sessions, { sessionID: session, sequence, signedAt }, moment);
}

function verdicts(said: readonly Said[]): HelloVerdict[] {
  let sessions = NO_SESSIONS;
  return said.map((each) => {
    const { sessions: after, verdict } = hear(sessions, each);
    sessions = after;
    return verdict;
  });
}

describe("hellos of one node", () => {
  test.each<{ name: string; said: readonly Said[]; expected: readonly HelloVerdict[] }>([
    {
      name: "are news, one after the other",
      said: [
        { session: "a", sequence: 1, signedAt: 0 },
        { session: "a", sequence: 2, signedAt: 30_000 },
      ],
      expected: ["news", "news"],
    },
    {
      name: "are none when they are repeated",
      said: [
        { session: "a", sequence: 1, signedAt: 0 },
        { session: "a", sequence: 2, signedAt: 30_000 },
        { session: "a", sequence: 1, signedAt: 0, at: 31_000 },
        { session: "a", sequence: 2, signedAt: 30_000, at: 32_000 },
      ],
      expected: ["news", "news", "old", "old"],
    },
    {
      name: "are news from a machine that was put back with its memory",
      said: [
        { session: "a", sequence: 9, signedAt: 0 },
        { session: "a", sequence: 3, signedAt: 30_000 },
      ],
      expected: ["news", "news"],
    },
    {
      name: "are news from an agent that was started anew, also again and again",
      said: [
        { session: "a", sequence: 5, signedAt: 0 },
        { session: "b", sequence: 1, signedAt: 1_000 },
        { session: "c", sequence: 1, signedAt: 2_000 },
      ],
      expected: ["news", "news", "news"],
    },
    {
      name: "are none from the session before that were long under way",
      said: [
        { session: "a", sequence: 5, signedAt: 0 },
        { session: "b", sequence: 1, signedAt: 20_000 },
        { session: "a", sequence: 6, signedAt: 19_000, at: 60_000 },
        { session: "b", sequence: 2, signedAt: 61_000 },
      ],
      expected: ["news", "news", "old", "news"],
    },
    {
      name: "are none from a session before that was not heard yet",
      said: [
        { session: "b", sequence: 1, signedAt: 20_000 },
        { session: "a", sequence: 6, signedAt: 19_000, at: 60_000 },
        { session: "b", sequence: 2, signedAt: 61_000 },
      ],
      expected: ["news", "old", "news"],
    },
    {
      name: "are of two agents when an earlier session speaks on",
      said: [
        { session: "a", sequence: 5, signedAt: 0 },
        { session: "b", sequence: 1, signedAt: 20_000 },
        { session: "a", sequence: 6, signedAt: 30_001 },
        { session: "b", sequence: 2, signedAt: 50_000 },
      ],
      expected: ["news", "news", "conflict", "conflict"],
    },
    {
      name: "are of two agents until only one was heard for the grace period",
      said: [
        { session: "a", sequence: 5, signedAt: 0 },
        { session: "b", sequence: 1, signedAt: 20_000 },
        { session: "a", sequence: 6, signedAt: 40_000 },
        { session: "b", sequence: 2, signedAt: 40_000 + GRACE_MS - 1 },
        { session: "b", sequence: 3, signedAt: 40_000 + GRACE_MS },
        { session: "b", sequence: 4, signedAt: 40_000 + GRACE_MS + 1 },
      ],
      expected: ["news", "news", "conflict", "conflict", "news", "news"],
    },
    {
      name: "are of two agents again when the other comes back",
      said: [
        { session: "a", sequence: 5, signedAt: 0 },
        { session: "b", sequence: 1, signedAt: 20_000 },
        { session: "a", sequence: 6, signedAt: 40_000 },
        { session: "a", sequence: 7, signedAt: 200_000 },
        { session: "b", sequence: 2, signedAt: 230_000 },
        { session: "a", sequence: 8, signedAt: 260_000 },
      ],
      expected: ["news", "news", "conflict", "news", "news", "conflict"],
    },
    {
      name: "repeated by somebody else make no second agent",
      said: [
        { session: "a", sequence: 5, signedAt: 0 },
        { session: "b", sequence: 1, signedAt: 20_000 },
        { session: "a", sequence: 5, signedAt: 0, at: 50_000 },
      ],
      expected: ["news", "news", "old"],
    },
  ])("$name", ({ said, expected }) => {
    expect(verdicts(said)).toEqual(expected);
  });

  test("of one agent that is started over and over are never those of two", () => {
    const starts = fc.array(fc.array(fc.nat(60_000), { minLength: 1, maxLength: 6 }), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(starts, (sessions) => {
        let now = 0;
        const said = sessions.flatMap((pauses, index) =>
          pauses.map((pause, sequence): Said => {
            now += pause + 1;
            return { session: `s${index}`, sequence: sequence + 1, signedAt: now };
          }),
        );
        expect(new Set(verdicts(said))).toEqual(new Set(["news"]));
      }),
    );
  });

  test("keep the memory of them bounded", () => {
    let sessions = NO_SESSIONS;
    for (let index = 0; index < 1_000; index += 1) {
      ({ sessions } = hear(sessions, { session: `s${index}`, sequence: 1, signedAt: index }));
    }
    expect(sessions.earlier.length).toBeLessThan(20);
  });
});
