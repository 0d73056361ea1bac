import { expect, test } from "vitest";
import { objectKey } from "../../../src/api/meta.ts";

test("the key of an object is its namespace and name", () => {
  expect(objectKey({ namespace: "fleet", name: "uptime.ship1" })).toBe("fleet/uptime.ship1");
});
