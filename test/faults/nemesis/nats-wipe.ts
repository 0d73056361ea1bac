import { rm } from "node:fs/promises";
import { join } from "node:path";

import { accountsDirectory } from "../../../dev/controlplane/nats-server.ts";
import type { Nemesis } from "./nemesis.ts";

/** The broker comes back with nothing of what it knew. */
export const natsWipe: Nemesis = {
  name: "nats-wipe",
  inject: async ({ plane }) => {
    await plane.components["nats-server"].kill9();
    for (const memory of [join(plane.dir, "jetstream"), accountsDirectory(plane.dir)]) {
      await rm(memory, { recursive: true, force: true });
    }
  },
  heal: ({ plane }) => plane.components["nats-server"].restart(),
};
