import { describe, expect, test } from "vitest";
import { apiErrorFromStatus } from "../../../src/kubernetes/api-error.ts";
import { TransportError, WatchIdleError } from "../../../src/kubernetes/transport-error.ts";
import {
  endingOf,
  FIRST_PLAN,
  planAfter,
  type Attempt,
  type Ended,
  type Plan,
} from "../../../src/kubernetes/watch-plan.ts";

const random = (): number => 0.999_999;
const watch: Attempt = { kind: "watch", resourceVersion: "7" };
const streamList: Attempt = { kind: "streamList" };
const pagedList: Attempt = { kind: "pagedList" };

const watching: Plan = { attempt: watch, delayMs: 0, failures: 0, streaming: true };
const troubled: Plan = { ...watching, failures: 3 };
const paging: Plan = { attempt: pagedList, delayMs: 0, failures: 0, streaming: false };

function ended(
  kind: Exclude<Ended["ending"]["kind"], "throttled">,
  more: Partial<Ended> = {},
): Ended {
  return { ending: { kind }, lastedMs: 9_999, received: 5, resourceVersion: "9", ...more };
}

function throttled(retryAfterMs: number): Ended {
  return { ...ended("failed"), ending: { kind: "throttled", retryAfterMs } };
}

interface Row {
  readonly name: string;
  readonly given: Plan;
  readonly after: Ended;
  readonly want: Attempt;
  readonly delayMs: number;
  readonly failures: number;
}

const resumed: Attempt = { kind: "watch", resourceVersion: "9" };

const rows: readonly Row[] = [
  {
    name: "a watch that the server ended resumes at once",
    given: watching,
    after: ended("closed"),
    want: resumed,
    delayMs: 0,
    failures: 0,
  },
  {
    name: "a quiet watch that ended after a second resumes at once",
    given: watching,
    after: ended("closed", { received: 0, lastedMs: 1_000 }),
    want: resumed,
    delayMs: 0,
    failures: 0,
  },
  {
    name: "a watch that ended at once with nothing is a failure",
    given: watching,
    after: ended("closed", { received: 0, lastedMs: 999 }),
    want: resumed,
    delayMs: 800,
    failures: 1,
  },
  {
    name: "a streaming list that ended before it was complete starts over",
    given: FIRST_PLAN,
    after: ended("closed", { resourceVersion: undefined }),
    want: streamList,
    delayMs: 800,
    failures: 1,
  },
  {
    name: "a streaming list that broke after it was complete only resumes",
    given: FIRST_PLAN,
    after: ended("failed"),
    want: resumed,
    delayMs: 800,
    failures: 1,
  },
  {
    name: "a failure backs off further each time",
    given: troubled,
    after: ended("failed"),
    want: resumed,
    delayMs: 6_400,
    failures: 4,
  },
  {
    name: "the back-off ends at 30 s",
    given: { ...watching, failures: 50 },
    after: ended("failed"),
    want: resumed,
    delayMs: 30_000,
    failures: 51,
  },
  {
    name: "two healthy minutes start the back-off anew",
    given: troubled,
    after: ended("failed", { lastedMs: 120_000 }),
    want: resumed,
    delayMs: 800,
    failures: 1,
  },
  {
    name: "a clean end keeps the count of failures until the server has proved healthy",
    given: troubled,
    after: ended("closed"),
    want: resumed,
    delayMs: 0,
    failures: 3,
  },
  {
    name: "having fallen behind lists again at once",
    given: watching,
    after: ended("gone"),
    want: streamList,
    delayMs: 0,
    failures: 1,
  },
  {
    name: "having fallen behind again and again backs off",
    given: { ...watching, failures: 1 },
    after: ended("gone"),
    want: streamList,
    delayMs: 1_600,
    failures: 2,
  },
  {
    name: "a server that asks to wait gets its time",
    given: watching,
    after: throttled(5_000),
    want: resumed,
    delayMs: 5_000,
    failures: 1,
  },
  {
    name: "a server that asks for less than the back-off gets the back-off",
    given: troubled,
    after: throttled(1_000),
    want: resumed,
    delayMs: 6_400,
    failures: 4,
  },
  {
    name: "a watch that told something for ten seconds starts the back-off anew",
    given: { ...watching, failures: 6 },
    after: ended("failed", { lastedMs: 10_000 }),
    want: resumed,
    delayMs: 800,
    failures: 1,
  },
  {
    name: "a watch that was silent for as long does not",
    given: { ...watching, failures: 3 },
    after: ended("failed", { lastedMs: 10_000, received: 0 }),
    want: resumed,
    delayMs: 6_400,
    failures: 4,
  },
  {
    name: "a dead connection that had worked resumes",
    given: watching,
    after: ended("idle"),
    want: resumed,
    delayMs: 800,
    failures: 1,
  },
  {
    name: "a watch that never said a word lists: its version may lie in the future",
    given: watching,
    after: ended("idle", { received: 0 }),
    want: streamList,
    delayMs: 800,
    failures: 1,
  },
  {
    name: "a refused watch lists",
    given: watching,
    after: ended("rejected", { received: 0 }),
    want: streamList,
    delayMs: 800,
    failures: 1,
  },
  {
    name: "an old server that takes no streaming list gets pages, at once",
    given: FIRST_PLAN,
    after: ended("rejected", { received: 0, resourceVersion: undefined }),
    want: pagedList,
    delayMs: 0,
    failures: 0,
  },
  {
    name: "a streaming list that never completes gives way to pages",
    given: { ...FIRST_PLAN, failures: 3 },
    after: ended("idle", { resourceVersion: undefined }),
    want: pagedList,
    delayMs: 6_400,
    failures: 4,
  },
  {
    name: "pages that fail as well give way to a streaming list",
    given: { ...paging, streaming: true, failures: 4 },
    after: ended("failed", { received: 0, resourceVersion: undefined }),
    want: streamList,
    delayMs: 12_800,
    failures: 5,
  },
  {
    name: "a complete paged list goes on with a watch, at once",
    given: paging,
    after: ended("listed", { received: 0 }),
    want: resumed,
    delayMs: 0,
    failures: 0,
  },
  {
    name: "a refused paged list backs off",
    given: paging,
    after: ended("rejected", { received: 0, resourceVersion: undefined }),
    want: pagedList,
    delayMs: 800,
    failures: 1,
  },
  {
    name: "an expired continue token starts the pages over",
    given: paging,
    after: ended("gone", { received: 0, resourceVersion: undefined }),
    want: pagedList,
    delayMs: 0,
    failures: 1,
  },
  {
    name: "a server that once took no streaming list is listed in pages again",
    given: { ...watching, streaming: false },
    after: ended("gone"),
    want: pagedList,
    delayMs: 0,
    failures: 1,
  },
];

describe("what follows", () => {
  test.each(rows)("$name", ({ given, after, want, delayMs, failures }) => {
    const plan = planAfter(given, after, random);
    expect(plan.attempt).toEqual(want);
    expect({ delayMs: plan.delayMs, failures: plan.failures }).toEqual({ delayMs, failures });
  });

  test("the back-off has jitter over its upper half", () => {
    const soonest = planAfter(troubled, ended("failed"), () => 0);
    expect(soonest.delayMs).toBe(3_200);
  });
});

const status = (code: number, details?: object): Error =>
  apiErrorFromStatus("watch /p", { code, details });

test.each([
  ["410", status(410), { kind: "gone" }],
  ["400", status(400), { kind: "rejected" }],
  ["422", status(422), { kind: "rejected" }],
  ["429", status(429), { kind: "throttled", retryAfterMs: 0 }],
  [
    "429 with Retry-After",
    status(429, { retryAfterSeconds: 2 }),
    { kind: "throttled", retryAfterMs: 2_000 },
  ],
  [
    "503 with Retry-After",
    status(503, { retryAfterSeconds: 1 }),
    { kind: "throttled", retryAfterMs: 1_000 },
  ],
  ["401", status(401), { kind: "failed" }],
  ["404", status(404), { kind: "failed" }],
  ["500", status(500), { kind: "failed" }],
  ["the watchdog", new WatchIdleError("idle"), { kind: "idle" }],
  ["a broken connection", new TransportError("reset"), { kind: "failed" }],
  ["anything else", "surprise", { kind: "failed" }],
])("%s is sorted", (_, thrown, want) => {
  expect(endingOf(thrown)).toEqual(want);
});
