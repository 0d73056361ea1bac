import { describe, expect, test } from "vitest";

import {
  CommandKeysError,
  newCommandKeys,
  parseCommandKeys,
  parsePublicCommandKeys,
  publicHalfOf,
  serialiseCommandKeys,
  serialisePublicCommandKeys,
  withNewCommandKey,
  withNewestCommandKey,
} from "../../../src/identity/command-keys.ts";
import { newKeyPair } from "../../../src/identity/key-pair.ts";

describe("command keys", () => {
  const one = newCommandKeys();
  const two = withNewCommandKey(one);

  test("begin with one, and the first serial", () => {
    expect(publicHalfOf(one)).toEqual({ serial: 1, keys: [one.pairs[0]?.publicKey] });
  });

  test("get the newest last, in a set with the next serial", () => {
    expect(two.serial).toBe(2);
    expect(two.pairs).toEqual([one.pairs[0], two.pairs[1]]);
    expect(two.pairs[1]?.publicKey).not.toBe(one.pairs[0]?.publicKey);
  });

  test("lose all but the newest in a set with the next serial, for nodes to drop the older ones", () => {
    expect(withNewestCommandKey(two)).toEqual({ serial: 3, pairs: [two.pairs[1]] });
    expect(withNewestCommandKey(one)).toBe(one);
  });

  test("are never more than eight", () => {
    let keys = one;
    while (keys.pairs.length < 8) keys = withNewCommandKey(keys);
    expect(() => withNewCommandKey(keys)).toThrow(/finish the rotation first/);
    expect(publicHalfOf(parseCommandKeys(serialiseCommandKeys(keys)))).toEqual(publicHalfOf(keys));
  });

  test("come back as they were written", () => {
    const text = serialiseCommandKeys(two);
    expect(JSON.parse(text)).toEqual({ serial: 2, seeds: two.pairs.map(({ seed }) => seed) });
    expect(publicHalfOf(parseCommandKeys(text))).toEqual(publicHalfOf(two));
    const published = serialisePublicCommandKeys(publicHalfOf(two));
    expect(parsePublicCommandKeys(published)).toEqual(publicHalfOf(two));
  });

  const { seed, publicKey } = newKeyPair("user");
  test.each([
    "",
    "{}",
    "[]",
    `{"serial": 0, "seeds": ["${seed}"]}`,
    `{"serial": 1.5, "seeds": ["${seed}"]}`,
    '{"serial": 1, "seeds": []}',
    `{"serial": 1, "seeds": ["${seed.slice(1)}"]}`,
    `{"serial": 1, "seeds": ["${newKeyPair("account").seed}"]}`,
    `{"serial": 1, "seeds": ["${seed}"], "more": 1}`,
  ])("are refused in another form, and no seed is repeated", (text) => {
    expect(() => parseCommandKeys(text)).toThrow(CommandKeysError);
    expect(() => parseCommandKeys(text)).toThrow(/^expected \{"serial": 1, "seeds": \["SU…"\]\}/);
  });

  test.each(["", `{"serial": 1, "keys": []}`, `{"serial": 1, "keys": ["${seed}"]}`, "1"])(
    "are refused in another form when they are public: case %#",
    (text) => {
      expect(() => parsePublicCommandKeys(text)).toThrow(CommandKeysError);
      expect(() => parsePublicCommandKeys(text)).not.toThrow(publicKey);
    },
  );
});
