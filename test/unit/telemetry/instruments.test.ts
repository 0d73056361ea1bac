import { describe, expect, test } from "vitest";
import { Instruments, type Sample } from "../../../src/telemetry/instruments.ts";
import { Exposition } from "./exposition.ts";

describe("a gauge", () => {
  test("forgets what it is no longer told of", async () => {
    const instruments = new Instruments();
    let samples: Sample<"name">[] = [
      [{ name: "a" }, 1],
      [{ name: "b" }, 2],
    ];
    instruments.gauge({ name: "things", help: "T.", labels: ["name"], collect: () => samples });
    expect(new Exposition(await instruments.text()).value("things", { name: "b" })).toBe(2);
    samples = [[{ name: "a" }, 3]];
    const exposed = new Exposition(await instruments.text());
    expect(exposed.value("things", { name: "a" })).toBe(3);
    expect(exposed.value("things", { name: "b" })).toBeUndefined();
  });
});
