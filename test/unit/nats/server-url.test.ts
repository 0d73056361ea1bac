import { describe, expect, test } from "vitest";
import { parseServerUrl } from "../../../src/nats/server-url.ts";

const plain = { tls: false, credentials: undefined };

describe("parseServerUrl", () => {
  test.each([
    {
      url: "nats://nats.example.com:4333",
      want: { ...plain, address: "nats.example.com:4333", host: "nats.example.com" },
    },
    { url: "nats://127.0.0.1", want: { ...plain, address: "127.0.0.1:4222", host: "127.0.0.1" } },
    { url: "nats://[::1]:4222/", want: { ...plain, address: "[::1]:4222", host: "::1" } },
    { url: "tls://nats:443", want: { ...plain, address: "nats:443", host: "nats", tls: true } },
    {
      url: "nats://me:p%40ss%2Fword@h",
      want: {
        ...plain,
        address: "h:4222",
        host: "h",
        credentials: { user: "me", pass: "p@ss/word" },
      },
    },
    {
      url: "nats://t0ken@h",
      want: { ...plain, address: "h:4222", host: "h", credentials: { token: "t0ken" } },
    },
  ])("reads $url", ({ url, want }) => {
    expect(parseServerUrl(url)).toEqual(want);
  });

  test.each([
    "",
    "h:4222",
    "127.0.0.1:4222",
    "http://h:4222",
    "ws://h",
    "nats://",
    "nats://h/path",
    "nats://h?x=1",
    "nats://h:99999",
    "nats://a,nats://b",
  ])("refuses %j", (url) => {
    expect(() => parseServerUrl(url)).toThrow(RangeError);
  });

  test("does not repeat what it refuses: it may hold a password", () => {
    expect(() => parseServerUrl("http://me:hunter2@h")).toThrow(/^(?!.*hunter2)/);
  });
});
