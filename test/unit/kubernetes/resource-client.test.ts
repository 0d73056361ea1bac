import { expect, test } from "vitest";
import { apiErrorFromResponse, apiErrorFromStatus } from "../../../src/kubernetes/api-error.ts";
import { createResourceClient } from "../../../src/kubernetes/resource-client.ts";
import { widget, WIDGETS, type Widget } from "./fakes.ts";

const details = { name: "w", group: "test.steward.dev", kind: "widgets" };

function clientThatThrows(thrown: Error): ReturnType<typeof createResourceClient<Widget>> {
  const request = (): Promise<never> => Promise.reject(thrown);
  return createResourceClient<Widget>({ request }, WIDGETS);
}

const missing = apiErrorFromStatus("GET /p", { code: 404, reason: "NotFound", details });

function onlyTheNamespace({ path }: { path: string }): Promise<{ status: number; body: unknown }> {
  return path === "/api/v1/namespaces/ns" ? answerOk() : Promise.reject(missing);
}

test("an object is missing only on the word of the API server that this very object is", async () => {
  const client = createResourceClient<Widget>({ request: onlyTheNamespace }, WIDGETS);
  await expect(client.get("ns", "w")).resolves.toBeUndefined();
});

test("nothing is said of an object if its namespace is missing, or cannot be looked up", async () => {
  await expect(clientThatThrows(missing).get("ns", "w")).rejects.toBe(missing);
});

test.each([
  ["has no Status: the type is not there", "404 page not found\n", 404],
  ["comes from a proxy", "<html>not found</html>", 404],
  ["is about a namespace", { details: { name: "ns", kind: "namespaces" } }, 404],
  ["is about another object", { details: { ...details, name: "v" } }, 404],
  ["is about another group", { details: { ...details, group: "other.dev" } }, 404],
  ["has no details", {}, 404],
  ["is no 404", { details }, 403],
])("a refusal that %s is thrown", async (_, answer, code) => {
  const body =
    typeof answer === "string"
      ? answer
      : JSON.stringify({ kind: "Status", code, reason: "NotFound", ...answer });
  const refusal = apiErrorFromResponse("GET /p", code, body);
  await expect(clientThatThrows(refusal).get("ns", "w")).rejects.toBe(refusal);
});

async function answerOk(): Promise<{ status: number; body: unknown }> {
  return { status: 200, body: "ok" };
}

test("an answer without an identity is an error, not an object", async () => {
  const client = createResourceClient<Widget>({ request: answerOk }, WIDGETS);
  await expect(client.get("ns", "w")).rejects.toThrow("no Widget");
});

test("a status is written, and an object deleted, in exactly the version that was read", async () => {
  const bodies: unknown[] = [];
  const object = widget("w", 7);
  const client = createResourceClient<Widget>(
    {
      request: async ({ body }) => {
        bodies.push(body);
        return { status: 200, body: object };
      },
    },
    WIDGETS,
  );
  await client.updateStatus(object, {});
  await client.delete(object);
  const { namespace, name, uid, resourceVersion } = object.metadata;
  expect(bodies).toEqual([
    expect.objectContaining({ metadata: { namespace, name, uid, resourceVersion } }),
    expect.objectContaining({ preconditions: { uid, resourceVersion } }),
  ]);
});
