import { RESTORE_WAIT_MS } from "../catalogue.ts";
import { backUpEtcd, restoreEtcd } from "../etcd-backup.ts";
import type { Nemesis } from "./nemesis.ts";

/**
 * The cluster goes back in time, as the documentation has people do it: stop the controllers, restore,
 * wait a minute, start. The backup is made first, and is `snapshotAgeMs` old by then.
 */
export const etcdRestore: Nemesis = {
  name: "etcd-restore",
  inject: async (world, { params }) => {
    const { plane, controllers, history, trace, clock, signal } = world;
    const backup = await backUpEtcd(plane);
    trace.add("backed-up");
    await clock.sleep(params["snapshotAgeMs"] ?? 0, signal);
    await Promise.all([...controllers.values()].map(({ process }) => process.end("SIGTERM")));
    await restoreEtcd(plane, backup);
    await history.restored();
    trace.add("restored");
  },
  heal: async ({ controllers, clock, history, trace, signal }) => {
    await clock.sleep(history.restoredAtMs + RESTORE_WAIT_MS - trace.nowMs, signal);
    await Promise.all([...controllers.values()].map(({ process }) => process.start()));
  },
};
