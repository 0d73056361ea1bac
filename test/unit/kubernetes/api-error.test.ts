import { expect, test } from "vitest";
import { apiErrorFromResponse, apiErrorFromStatus } from "../../../src/kubernetes/api-error.ts";

function status(fields: object): string {
  return JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", ...fields });
}

test("a Status gives reason, message and the object it is about", () => {
  const body = status({
    code: 404,
    reason: "NotFound",
    message: 'widgets.test.steward.dev "w" not found',
    details: { name: "w", group: "test.steward.dev", kind: "widgets" },
  });
  const error = apiErrorFromResponse("GET /p", 404, body);
  expect(error.status).toBe(404);
  expect(error.reason).toBe("NotFound");
  expect(error.message).toBe('GET /p: 404 NotFound: widgets.test.steward.dev "w" not found');
  expect(error.details).toEqual({ name: "w", group: "test.steward.dev", kind: "widgets" });
  expect(error.isNotFound()).toBe(true);
  expect(error.retryAfterMs).toBeUndefined();
});

test("what is no Status keeps its HTTP status and the beginning of its text", () => {
  const error = apiErrorFromResponse("GET /p", 502, "<html>bad gateway</html>");
  expect(error.message).toBe("GET /p: 502 <html>bad gateway</html>");
  expect(error.reason).toBe("");
  expect(apiErrorFromResponse("GET /p", 404, "404 page not found\n").details).toEqual({});
  expect(apiErrorFromResponse("GET /p", 502, "x".repeat(10_000)).message.length).toBeLessThan(400);
});

test("a Status without a code takes that of the answer", () => {
  expect(apiErrorFromResponse("GET /p", 403, status({ reason: "Forbidden" })).status).toBe(403);
});

test.each([
  ["the header", "7", status({ code: 429 }), 7_000],
  ["the Status", undefined, status({ code: 429, details: { retryAfterSeconds: 3 } }), 3_000],
  ["the header first", "7", status({ code: 429, details: { retryAfterSeconds: 3 } }), 7_000],
  ["the header of a proxy", "2", "slow down", 2_000],
  ["nobody", undefined, "slow down", undefined],
  ["a header that is no number of seconds", "Wed, 21 Oct 2026 07:28:00 GMT", "", undefined],
])("Retry-After comes from %s", (_, header, body, want) => {
  expect(apiErrorFromResponse("GET /p", 429, body, header).retryAfterMs).toBe(want);
});

test("a conflict and an existing object share a status, not a meaning", () => {
  const conflict = apiErrorFromStatus("PUT /p", { code: 409, reason: "Conflict" });
  const exists = apiErrorFromStatus("POST /p", { code: 409, reason: "AlreadyExists" });
  expect([conflict.isConflict(), conflict.isAlreadyExists()]).toEqual([true, false]);
  expect([exists.isConflict(), exists.isAlreadyExists()]).toEqual([false, true]);
});

test.each([
  [500, true],
  [503, true],
  [429, true],
  [400, false],
  [401, false],
  [403, false],
  [404, false],
  [409, false],
  [422, false],
])("whether %i may pass by itself: %s", (code, want) => {
  expect(apiErrorFromStatus("GET /p", { code }).isTransient()).toBe(want);
});

test("a Status that is nothing of the kind is a server error", () => {
  expect(apiErrorFromStatus("watch /p", "nonsense").status).toBe(500);
  expect(apiErrorFromStatus("watch /p", undefined).status).toBe(500);
});
