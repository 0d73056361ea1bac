import { z } from "zod";
import type { MessageType } from "./envelope.ts";
import * as names from "./names.ts";

/** `<node>.event.error`: an error of the agent itself, for people. Not a request. */
const schema = z.strictObject({
  namespace: names.namespace,
  node: names.nodeName,
  /** In the controller's time, if the agent knows it. */
  signedAt: names.timestamp.optional(),
  /** The agent's process that met it, e.g. `method/exec`. */
  process: z.string().max(128),
  severity: z.enum(["warning", "error", "fatal"]),
  message: z.string().max(1024),
});
export type ErrorEvent = z.infer<typeof schema>;
export const errorEventMessage: MessageType<ErrorEvent> = { name: "error", version: 1, schema };
