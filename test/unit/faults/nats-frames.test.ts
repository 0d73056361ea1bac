import * as fc from "fast-check";
import { expect, test } from "vitest";

import { NatsFrames } from "../../faults/nats-frames.ts";

const STREAM = [
  'INFO {"server_name":"x"}\r\n',
  "PUB a.command.ping _INBOX.1 5\r\nhe\r\no\r\n",
  "PING\r\n",
  "MSG a.event.hello 9 0\r\n\r\n",
  "HMSG a.b 1 _INBOX.2 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
  "HPUB a.b 12 12\r\nNATS/1.0\r\n\r\n\r\n",
  "+OK\r\n",
];

test("a stream in pieces of any size comes out in whole messages and lines", () => {
  const bytes = Buffer.from(STREAM.join(""));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20 })), (sizes) => {
      const frames = new NatsFrames();
      const found = [];
      let at = 0;
      for (const size of [...sizes, bytes.length]) {
        found.push(...frames.push(bytes.subarray(at, at + size)));
        at += size;
      }
      expect(found.map((frame) => frame.bytes.toString())).toEqual(STREAM);
      expect(found.map(({ isMessage }) => isMessage)).toEqual([
        false,
        true,
        false,
        true,
        true,
        true,
        false,
      ]);
    }),
  );
});
