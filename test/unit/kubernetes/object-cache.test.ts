import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { objectKey } from "../../../src/api/meta.ts";
import { ObjectCache, type ObjectChange } from "../../../src/kubernetes/object-cache.ts";
import { widget, type Widget } from "./fakes.ts";

function listOf(...widgets: readonly Widget[]): Map<string, Widget> {
  return new Map(widgets.map((each) => [objectKey(each.metadata), each]));
}

function cacheOf(version: number, ...widgets: readonly Widget[]): ObjectCache<Widget> {
  const cache = new ObjectCache<Widget>();
  cache.beginList();
  cache.replace(listOf(...widgets), String(version));
  return cache;
}

function told(changes: readonly ObjectChange<Widget>[]): string[] {
  return changes.map(({ type, object: { metadata } }) => {
    return `${type} ${metadata.uid}@${metadata.resourceVersion}`;
  });
}

describe("live events", () => {
  test("are told as what they are", () => {
    const cache = cacheOf(1);
    expect(told(cache.upsert(widget("a", 2)))).toEqual(["added a-1@2"]);
    expect(told(cache.upsert(widget("a", 3)))).toEqual(["updated a-1@3"]);
    expect(told(cache.remove(widget("a", 4)))).toEqual(["deleted a-1@4"]);
    expect(cache.size).toBe(0);
  });

  test("a deletion of what is not known is not told", () => {
    expect(told(cacheOf(1).remove(widget("a", 2)))).toEqual([]);
  });
});

describe("a later list", () => {
  test("tells additions, updates and deletions, and nothing of what is as it was", () => {
    const cache = cacheOf(9, widget("same", 1), widget("changed", 2), widget("gone", 3));
    cache.beginList();
    const changes = cache.replace(
      listOf(widget("same", 1), widget("changed", 10), widget("new", 11)),
      "12",
    );
    expect(told(changes)).toEqual(["deleted gone-1@3", "updated changed-1@10", "added new-1@11"]);
    expect([...cache.values()].map(({ metadata }) => metadata.name)).toEqual([
      "same",
      "changed",
      "new",
    ]);
  });

  test("tells a re-created object as deleted, then added", () => {
    const cache = cacheOf(9, widget("a", 1, "first"));
    cache.beginList();
    const changes = cache.replace(listOf(widget("a", 10, "second")), "12");
    expect(told(changes)).toEqual(["deleted first@1", "added second@10"]);
  });

  test("is believed where it is older: the server may have been restored", () => {
    const cache = cacheOf(99, widget("a", 90));
    cache.beginList();
    expect(told(cache.replace(listOf(widget("a", 5)), "12"))).toEqual(["updated a-1@5"]);
  });
});

describe("observe", () => {
  test("makes a write readable before the watch tells it, and tells nobody", () => {
    const cache = cacheOf(5, widget("a", 5));
    cache.observe(widget("a", 7));
    expect(cache.get("default/a")?.metadata.resourceVersion).toBe("7");
    expect(told(cache.upsert(widget("a", 7)))).toEqual(["updated a-1@7"]);
  });

  test("compares versions as numbers", () => {
    const cache = cacheOf(9, widget("a", 9));
    cache.observe(widget("a", 10));
    expect(cache.get("default/a")?.spec.size).toBe(10);
    cache.observe(widget("a", 9));
    expect(cache.get("default/a")?.spec.size).toBe(10);
  });

  test("an older event of the watch does not take the write back, but is told", () => {
    const cache = cacheOf(5, widget("a", 5));
    cache.observe(widget("a", 8));
    expect(told(cache.upsert(widget("a", 7)))).toEqual(["updated a-1@8"]);
    expect(cache.get("default/a")?.spec.size).toBe(8);
  });

  test("is ignored for what was deleted meanwhile", () => {
    const cache = cacheOf(5, widget("a", 5));
    cache.remove(widget("a", 9));
    cache.observe(widget("a", 8));
    expect(cache.get("default/a")).toBeUndefined();
  });

  test("is ignored for another incarnation", () => {
    const cache = cacheOf(5, widget("a", 5, "second"));
    cache.observe(widget("a", 8, "first"));
    expect(cache.get("default/a")?.metadata.uid).toBe("second");
  });

  test("is ignored before the first list: half a cache must not be seen", () => {
    const cache = new ObjectCache<Widget>();
    cache.observe(widget("a", 8));
    expect(cache.size).toBe(0);
  });

  test("is told by the next list where the watch never did: others may have written it", () => {
    const cache = cacheOf(5, widget("a", 5));
    cache.observe(widget("a", 8));
    cache.beginList();
    expect(told(cache.replace(listOf(widget("a", 8)), "9"))).toEqual(["updated a-1@8"]);
    cache.beginList();
    expect(told(cache.replace(listOf(widget("a", 8)), "10"))).toEqual([]);
  });

  test("is what a deletion shows that only the next list tells: the newest that was known", () => {
    const cache = cacheOf(5, widget("a", 5), widget("b", 4, "first"));
    cache.observe(widget("a", 8));
    cache.observe(widget("b", 9, "first"));
    cache.beginList();
    const changes = cache.replace(listOf(widget("b", 11, "second")), "12");
    expect(told(changes)).toEqual(["deleted a-1@8", "deleted first@9", "added second@11"]);
  });

  test("makes a created object readable, which is told as added when the watch brings it", () => {
    const cache = cacheOf(5);
    cache.observe(widget("a", 6));
    expect(cache.get("default/a")?.spec.size).toBe(6);
    expect(told(cache.upsert(widget("a", 6)))).toEqual(["added a-1@6"]);
  });

  test("a created object that the next list lacks was deleted, and nobody knew of it", () => {
    const cache = cacheOf(5);
    cache.observe(widget("a", 6));
    cache.beginList();
    expect(told(cache.replace(listOf(), "9"))).toEqual([]);
    expect(cache.size).toBe(0);
  });

  test("a created object that the next list has is told as added", () => {
    const cache = cacheOf(5);
    cache.observe(widget("a", 6));
    cache.beginList();
    expect(told(cache.replace(listOf(widget("a", 6)), "9"))).toEqual(["added a-1@6"]);
  });

  test("a late deletion of an earlier incarnation does not take the newer one", () => {
    const cache = cacheOf(1);
    cache.observe(widget("c", 4, "c-2"));
    expect(told(cache.upsert(widget("c", 2, "c-1")))).toEqual(["added c-2@4"]);
    expect(told(cache.remove(widget("c", 3, "c-1")))).toEqual([]);
    expect(cache.get("default/c")?.metadata.uid).toBe("c-2");
  });

  test("bookmarks tell whether an unknown object is new or gone", () => {
    const cache = cacheOf(5);
    cache.advance("10");
    cache.observe(widget("gone", 9));
    cache.observe(widget("new", 11));
    expect([...cache.values()].map(({ metadata }) => metadata.name)).toEqual(["new"]);
  });

  test("what was observed while a list was made is not taken back by it", () => {
    const cache = cacheOf(5, widget("a", 5), widget("b", 4));
    cache.beginList();
    cache.observe(widget("a", 8));
    cache.observe(widget("created", 9));
    expect(told(cache.replace(listOf(widget("a", 7), widget("b", 4)), "7"))).toEqual([
      "updated a-1@8",
    ]);
    expect(cache.get("default/a")?.spec.size).toBe(8);
    expect(told(cache.upsert(widget("a", 8)))).toEqual(["updated a-1@8"]);
    expect(told(cache.upsert(widget("created", 9)))).toEqual(["added created-1@9"]);
  });
});

interface Write {
  readonly kind: "write" | "delete";
  readonly name: string;
  readonly observed: boolean;
}

/** A server's history, and for each step whether the writer observed it and how the cache heard of it. */
const history = fc.array(
  fc.record({
    kind: fc.constantFrom<Write["kind"]>("write", "write", "delete"),
    name: fc.constantFrom("a", "b", "c"),
    observed: fc.boolean(),
    lag: fc.integer({ min: 0, max: 3 }),
    relist: fc.boolean(),
  }),
  { maxLength: 30 },
);

test("whoever follows the changes knows what is in the cache, and in the end that is the truth", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const server = new Map<string, Widget>();
      const log: { type: "upsert" | "remove"; object: Widget }[] = [];
      const cache = cacheOf(1);
      const follower = new Map<string, Widget>();
      let delivered = 0;
      let version = 1;
      let incarnation = 0;

      const follow = (changes: readonly ObjectChange<Widget>[]): void => {
        for (const { type, object } of changes) {
          const key = objectKey(object.metadata);
          const known = follower.get(key);
          expect(known === undefined).toBe(type === "added");
          if (known !== undefined) expect(known.metadata.uid).toBe(object.metadata.uid);
          if (type === "deleted") follower.delete(key);
          else follower.set(key, object);
        }
      };
      const deliver = (until: number): void => {
        for (; delivered < until; delivered += 1) {
          const event = log[delivered];
          if (event?.type === "upsert") follow(cache.upsert(event.object));
          if (event?.type === "remove") follow(cache.remove(event.object));
        }
      };

      for (const { kind, name, observed, lag, relist } of steps) {
        version += 1;
        const key = `default/${name}`;
        const known = server.get(key);
        if (kind === "write") {
          const uid = known?.metadata.uid ?? `${name}-${(incarnation += 1)}`;
          const written = widget(name, version, uid);
          server.set(key, written);
          log.push({ type: "upsert", object: written });
          if (observed) cache.observe(written);
        } else if (known !== undefined) {
          server.delete(key);
          log.push({ type: "remove", object: { ...known, ...metadataAt(known, version) } });
        }
        if (relist) {
          cache.beginList();
          follow(cache.replace(new Map(server), String(version)));
          delivered = log.length;
        } else {
          deliver(log.length - lag);
        }
      }
      deliver(log.length);
      expect(new Map([...cache.values()].map((each) => [objectKey(each.metadata), each]))).toEqual(
        server,
      );
      expect(follower).toEqual(server);
    }),
  );
});

function metadataAt(object: Widget, version: number): Pick<Widget, "metadata"> {
  return { metadata: { ...object.metadata, resourceVersion: String(version) } };
}
