import { exec } from "./exec.ts";
import type { Method } from "./method.ts";
import { ping } from "./ping.ts";
import { shellcommand } from "./shellcommand.ts";

/** Everything that a node does. A new method is a file beside this one and a word here. */
export const METHODS: readonly Method[] = [exec, ping, shellcommand];
