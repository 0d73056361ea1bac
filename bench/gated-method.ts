import type { Method } from "../src/agent/methods/method.ts";
import { noop } from "./noop-method.ts";

const gate = Promise.withResolvers<void>();

/** Lets every run of `gated` of this process end, those that come later at once. */
export function openGate(): void {
  gate.resolve();
}

/** What `noop` does, but not before the gate is open. */
export const gated: Method = {
  ...noop,
  name: "gated",
  run: async (run) => {
    await gate.promise;
    return noop.run(run);
  },
};
