import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseAnswer } from "../../../src/nats/account-answers.ts";

const none = { code: undefined, refusal: undefined, page: undefined };

/** As the broker describes a connection's JWT. */
function jwt(claims: object): string {
  return `x.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;
}

describe("an answer of the broker", () => {
  test.each<[string, object, object]>([
    ["that it is done", { data: { code: 200, message: "jwt updated" } }, { code: 200 }],
    ["that it is not", { error: { code: 500, description: "no" } }, { refusal: "no" }],
    ["that it is not, without saying why", { error: {} }, { refusal: "no reason given" }],
    ["of other types", { data: { code: "200", connections: {} }, error: 1 }, {}],
  ])("%s", (_what, answer, want) => {
    expect(parseAnswer(JSON.stringify(answer))).toEqual({ ...none, ...want });
  });

  test("about connections names those that came in with a JWT and a key", () => {
    const ship1 = { jwt: jwt({ name: "ship1", sub: "U1", iss: "A1", iat: 1 }) };
    const connections = [ship1, {}, { jwt: "" }, { jwt: "hidden" }, "x"];
    expect(parseAnswer(JSON.stringify({ data: { connections, total: 9 } }))?.page).toEqual({
      total: 9,
      users: [{ name: "ship1", publicKey: "U1", jwt: ship1.jwt }],
    });
  });

  test("of whatever form is read or not, and never thrown over", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        const answer = parseAnswer(text);
        expect(answer === undefined || "page" in answer).toBe(true);
      }),
    );
  });
});
