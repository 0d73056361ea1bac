import { expect, test } from "vitest";
import { apiErrorFromStatus } from "../../../src/kubernetes/api-error.ts";
import { Reflector, type CacheChange } from "../../../src/kubernetes/reflector.ts";
import { TransportError } from "../../../src/kubernetes/transport-error.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { InstantClock, settle, widget, WIDGETS, type Widget } from "./fakes.ts";
import {
  added,
  bookmark,
  deleted,
  modified,
  ScriptedTransport,
  type ScriptedWatch,
} from "./scripted-transport.ts";

interface Run {
  readonly reflector: Reflector<Widget>;
  readonly transport: ScriptedTransport;
  readonly told: string[];
  readonly logger: RecordingLogger;
  readonly slept: readonly number[];
}

interface Script {
  readonly watches: readonly ScriptedWatch[];
  readonly answers?: readonly (object | Error)[];
  readonly onChange?: (change: CacheChange<Widget>) => void;
  readonly started?: (reflector: Reflector<Widget>) => void;
}

/** Runs a reflector until the script is used up and the last watch hangs, then stops it. */
async function run(script: Script, meanwhile?: (run: Run) => void): Promise<Run> {
  const transport = new ScriptedTransport(script.watches, script.answers);
  const clock = new InstantClock();
  const logger = new RecordingLogger();
  const told: string[] = [];
  const reflector = new Reflector<Widget>({
    transport,
    resource: WIDGETS,
    clock,
    random: () => 0,
    logger,
    onChange: (change) => {
      const { type, object, initial } = change;
      const { name, resourceVersion } = object.metadata;
      told.push(`${type} ${name}@${resourceVersion}${initial ? " initially" : ""}`);
      script.onChange?.(change);
    },
  });
  const result: Run = { reflector, transport, told, logger, slept: clock.slept };
  script.started?.(reflector);
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  await settle();
  meanwhile?.(result);
  stop.abort();
  await running;
  return result;
}

const gone = apiErrorFromStatus("watch /p", { code: 410, reason: "Expired" });

test("the first list appears in one step, is told as initial, and makes it synced", async () => {
  const seen: string[] = [];
  let reflector: Reflector<Widget> | undefined;
  const look = (): void => {
    seen.push(`${reflector?.size} ${reflector?.hasSynced ? "synced" : "not synced"}`);
  };
  const { told, transport } = await run({
    started: (it) => {
      reflector = it;
    },
    watches: [
      {
        events: [added(widget("a", 1)), added(widget("b", 2)), look, bookmark(5, true), look],
        end: "hang",
      },
    ],
    onChange: look,
  });
  expect(seen).toEqual(["0 not synced", "2 not synced", "2 not synced", "2 synced"]);
  expect(told).toEqual(["added a@1 initially", "added b@2 initially"]);
  expect(transport.asked).toEqual(["watch all"]);
});

test("live changes follow, and a clean end resumes where it was, bookmarks counted", async () => {
  const { told, transport, slept } = await run({
    watches: [
      {
        events: [bookmark(5, true), added(widget("a", 6)), modified(widget("a", 7))],
        end: "close",
      },
      { events: [bookmark(9), deleted(widget("a", 11)), bookmark(12)], end: "close" },
    ],
  });
  expect(told).toEqual(["added a@6", "updated a@7", "deleted a@11"]);
  expect(transport.asked).toEqual(["watch all", "watch 7", "watch 12"]);
  expect(slept).toEqual([]);
});

test("a break resumes where it was, after a back-off", async () => {
  const { told, transport, slept } = await run({
    watches: [
      { events: [bookmark(5, true)], end: new TransportError("reset") },
      { events: [], end: new TransportError("refused") },
      { events: [added(widget("a", 6))], end: "hang" },
    ],
  });
  expect(told).toEqual(["added a@6"]);
  expect(transport.asked).toEqual(["watch all", "watch 5", "watch 5"]);
  expect(slept).toEqual([400, 800]);
});

test.each([["as an answer"], ["inside the stream"]])(
  "410 %s lists again and tells the difference, deletions too",
  async (where) => {
    const before = [added(widget("kept", 1)), added(widget("gone", 2)), bookmark(5, true)];
    const fellBehind: readonly ScriptedWatch[] =
      where === "as an answer"
        ? [
            { events: before, end: "close" },
            { events: [], end: gone },
          ]
        : [{ events: before, end: gone }];
    const { told, reflector } = await run({
      watches: [
        ...fellBehind,
        {
          events: [added(widget("kept", 1)), added(widget("new", 8)), bookmark(9, true)],
          end: "hang",
        },
      ],
    });
    expect(told.slice(2)).toEqual(["deleted gone@2", "added new@8"]);
    expect([...reflector.list()].map(({ metadata }) => metadata.name)).toEqual(["kept", "new"]);
  },
);

test("a list that breaks off changes nothing", async () => {
  const { told, reflector } = await run({
    watches: [
      { events: [added(widget("a", 1)), bookmark(5, true)], end: gone },
      { events: [added(widget("b", 6))], end: new TransportError("reset") },
      { events: [added(widget("a", 1)), bookmark(7, true)], end: "hang" },
    ],
  });
  expect(told).toEqual(["added a@1 initially"]);
  expect(reflector.size).toBe(1);
});

function page(names: readonly string[], metadata: object): object {
  return {
    kind: "WidgetList",
    metadata,
    items: names.map((name) => ({ metadata: widget(name, 1).metadata, spec: { size: 1 } })),
  };
}

test("an old server is listed in pages and then watched", async () => {
  const { told, transport, reflector } = await run({
    watches: [
      { events: [], end: apiErrorFromStatus("watch /p", { code: 422, reason: "Invalid" }) },
      { events: [added(widget("c", 6))], end: "hang" },
    ],
    answers: [
      page(["a"], { resourceVersion: "5", continue: "more" }),
      page(["b"], { resourceVersion: "5" }),
    ],
  });
  expect(transport.asked).toEqual(["watch all", "list", "list more", "watch 5"]);
  expect(told).toEqual(["added a@1 initially", "added b@1 initially", "added c@6"]);
  expect(reflector.get("default/a")).toMatchObject({
    apiVersion: "test.steward.dev/v1",
    kind: "Widget",
  });
});

test("an answer that is no list is never taken for an empty one", async () => {
  const { told, reflector } = await run({
    watches: [
      { events: [added(widget("a", 1)), bookmark(5, true)], end: gone },
      { events: [], end: apiErrorFromStatus("watch /p", { code: 400 }) },
    ],
    answers: [{ kind: "Status", metadata: { resourceVersion: "9" } }],
  });
  expect(told).toEqual(["added a@1 initially"]);
  expect(reflector.size).toBe(1);
});

test("a handler that throws is logged and misses nothing that follows", async () => {
  const { told, logger, reflector } = await run({
    watches: [
      { events: [added(widget("a", 1)), bookmark(5, true), added(widget("b", 6))], end: "hang" },
    ],
    onChange: () => {
      throw new Error("no");
    },
  });
  expect(told).toEqual(["added a@1 initially", "added b@6"]);
  expect(reflector.hasSynced).toBe(true);
  expect(logger.lines.filter(({ level }) => level === "error")).toHaveLength(2);
});

test("managedFields do not get into the cache", async () => {
  const object = widget("a", 6);
  const fat = { ...object, metadata: { ...object.metadata, managedFields: [{ manager: "x" }] } };
  const { reflector } = await run({
    watches: [{ events: [bookmark(5, true), added(fat)], end: "hang" }],
  });
  expect(reflector.get("default/a")).toEqual(object);
});

test("an event that is no object lists nothing and is not skipped", async () => {
  const nonsense = { ...added(widget("a", 6)), object: { metadata: { resourceVersion: "6" } } };
  const { told, transport } = await run({
    watches: [
      { events: [bookmark(5, true), nonsense], end: "hang" },
      { events: [added(widget("a", 6))], end: "hang" },
    ],
  });
  expect(transport.asked).toEqual(["watch all", "watch 5"]);
  expect(told).toEqual(["added a@6"]);
});

test("a write is readable at once, and told only by the watch", async () => {
  const { told } = await run(
    { watches: [{ events: [added(widget("a", 1)), bookmark(5, true)], end: "hang" }] },
    ({ reflector }) => {
      reflector.observe(widget("a", 6));
      expect(reflector.get("default/a")?.spec.size).toBe(6);
    },
  );
  expect(told).toEqual(["added a@1 initially"]);
});

test("synced waits for the first list and gives up with its signal", async () => {
  const reflector = new Reflector<Widget>({
    transport: new ScriptedTransport([{ events: [bookmark(5, true)], end: "hang" }]),
    resource: WIDGETS,
    clock: new InstantClock(),
    random: () => 0,
    logger: new RecordingLogger(),
    onChange: () => undefined,
  });
  const giveUp = new AbortController();
  const waiting = reflector.synced(giveUp.signal);
  giveUp.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await expect(reflector.synced(giveUp.signal)).rejects.toThrow("enough");

  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  await reflector.synced(new AbortController().signal);
  stop.abort();
  await running;
});
