import { readdirSync, readFileSync } from "node:fs";
import type { MessageType } from "../../src/protocol/envelope.ts";

const PROTOCOL = new URL("../../src/protocol/", import.meta.url);
const FIXTURES = new URL("../fixtures/protocol/", import.meta.url);

/** Every MessageType that a module of src/protocol exports. */
export async function exportedMessageTypes(): Promise<MessageType<unknown>[]> {
  const files = readdirSync(PROTOCOL).filter((file) => file.endsWith(".ts"));
  const modules = await Promise.all(
    files.map((file): Promise<object> => import(new URL(file, PROTOCOL).href)),
  );
  return modules.flatMap((module) => Object.values(module).filter(isMessageType));
}

function isMessageType(value: unknown): value is MessageType<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    ["name", "version", "schema"].every((key) => key in value)
  );
}

export interface GoldenMessage {
  /** `ack.known`: the message, and which of its forms. */
  readonly name: string;
  readonly type: MessageType<unknown>;
  readonly payload: unknown;
  /** The exact bytes on the wire. */
  readonly wire: Uint8Array;
}

/**
 * The golden messages in test/fixtures/protocol/v<version>: `<message>[.<form>].json` is the payload,
 * `<message>[.<form>].wire.json` the bytes on the wire. They are frozen: agents in the field speak them.
 * What cannot be said with them any more is a new version of the message.
 */
export async function goldenMessages(): Promise<GoldenMessage[]> {
  const types = await exportedMessageTypes();
  return types.flatMap((type) => {
    const folder = new URL(`v${type.version}/`, FIXTURES);
    return readdirSync(folder)
      .filter((file) => file.split(".")[0] === type.name && !file.endsWith(".wire.json"))
      .map((file) => {
        const name = file.replace(/\.json$/, "");
        const payload: unknown = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
        return { name, type, payload, wire: readFileSync(new URL(`${name}.wire.json`, folder)) };
      });
  });
}
