import { expect, test } from "vitest";
import { apiVersionOf, resourcePath, withQuery } from "../../../src/kubernetes/resource-path.ts";

const widgets = { group: "test.steward.dev", version: "v1", plural: "widgets" };
const configMaps = { group: "", version: "v1", plural: "configmaps" };

test.each([
  ["all namespaces", resourcePath(widgets), "/apis/test.steward.dev/v1/widgets"],
  ["one namespace", resourcePath(widgets, "a"), "/apis/test.steward.dev/v1/namespaces/a/widgets"],
  [
    "one object",
    resourcePath(widgets, "a", "w"),
    "/apis/test.steward.dev/v1/namespaces/a/widgets/w",
  ],
  [
    "a subresource",
    resourcePath(widgets, "a", "w", "status"),
    "/apis/test.steward.dev/v1/namespaces/a/widgets/w/status",
  ],
  ["the core group", resourcePath(configMaps, "a", "c"), "/api/v1/namespaces/a/configmaps/c"],
  [
    "a name that is no name",
    resourcePath(configMaps, "a/b", "../c?d"),
    "/api/v1/namespaces/a%2Fb/configmaps/..%2Fc%3Fd",
  ],
])("the path of %s", (_, path, want) => {
  expect(path).toBe(want);
});

test("the apiVersion of the core group has no group", () => {
  expect(apiVersionOf(configMaps)).toBe("v1");
  expect(apiVersionOf(widgets)).toBe("test.steward.dev/v1");
});

test("a query leaves out what is undefined and encodes the rest", () => {
  expect(withQuery("/p", { limit: 500, continue: undefined, x: "a&b", watch: true })).toBe(
    "/p?limit=500&x=a%26b&watch=true",
  );
  expect(withQuery("/p", { continue: undefined })).toBe("/p");
  expect(withQuery("/p")).toBe("/p");
});
