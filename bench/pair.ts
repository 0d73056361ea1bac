import type { CommandStatus } from "./api.ts";
import type { Stage } from "./stage.ts";
import { Tracker } from "./tracker.ts";

/** The controller of the benchmark does not serve it. */
const NAMESPACE = "bench-pair";

/**
 * The bare pair: whoever creates the commands acts on them too, by one merge-patch of `status` when its one
 * watch shows a new one. There is no operator, no node and no journal: less than this cannot be.
 */
export async function startPair(stage: Stage, status: CommandStatus): Promise<Tracker> {
  const { api, signal } = stage;
  await api.createNamespace(NAMESPACE);
  const tracker: Tracker = new Tracker({
    api,
    namespace: NAMESPACE,
    signal,
    onAdded: (name) => {
      api.patchStatus(NAMESPACE, name, status).catch((thrown: unknown) => tracker.fail(thrown));
    },
  });
  await tracker.start();
  return tracker;
}
