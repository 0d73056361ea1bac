import { connectClient } from "../dev/controlplane/nats-client.ts";

import type { CommandStatus } from "./api.ts";
import { measureJournal, type JournalFigures } from "./journal.ts";
import { startFleet } from "./fleet.ts";
import { holdCommands, holdResults, type HeldFigures, type Scene } from "./held.ts";
import type { BenchOptions } from "./options.ts";
import { Phases } from "./phases.ts";
import type { RoundtripContext } from "./roundtrip.ts";
import { setStage, startController } from "./stage.ts";
import { median, rounded } from "./statistics.ts";
import { times } from "./times.ts";

const NAMESPACE = "bench-recovery";
/** No controller serves it. */
const BARE_NAMESPACE = "bench-bare";
/** For all of it. */
const PATIENCE_MS = 900_000;

/** What `npm run bench -- recovery --json` prints. */
export interface RecoveryReport {
  readonly held: number;
  readonly nodes: number;
  /** Status writes and nothing else, a second: nothing recovers faster. */
  readonly bareWritesPerSecond: number;
  /** Results that were held while there was no controller. */
  readonly results: Recovered;
  /** Commands that waited while there were no nodes. */
  readonly commands: Recovered;
  readonly journal: JournalFigures;
}

type Recovered = HeldFigures & { readonly overBare: number };

/** How fast what an outage held back lands in etcd, over the same API server without an operator. */
export async function recovery(
  options: BenchOptions,
  context: RoundtripContext,
): Promise<RecoveryReport> {
  await using stack = new AsyncDisposableStack();
  const stage = await setStage(stack, { ...context, profile: options.profile });
  context.progress(stage.pinning.note);
  const { held, nodes } = options;
  await stage.api.createNamespace(NAMESPACE);
  await stage.api.createNamespace(BARE_NAMESPACE);
  const nats = stack.adopt(await connectClient(stage.broker), (client) => client.close());
  const signal = AbortSignal.any([stage.signal, AbortSignal.timeout(PATIENCE_MS)]);
  const phases = await Phases.of(stage.api, NAMESPACE, signal);
  stack.defer(() => phases.stop());
  const controller = await startController(stage, NAMESPACE);
  const spec = { name: "recovery", namespace: NAMESPACE, nodes, others: 0, probe: true };
  const fleet = await startFleet(stage, { ...spec, journals: "disk" });
  const scene: Scene = { stage, nats, phases, namespace: NAMESPACE, held, signal };

  const journal = await measureJournal(scene, fleet, options.samples);
  const [status = {}] = (await stage.api.statuses(NAMESPACE, "edgecommands")) ?? [];
  const before = await bareWrites(scene, status, "before");
  const results = await holdResults(scene, fleet, controller);
  const commands = await holdCommands(scene, fleet, () =>
    startFleet(stage, { ...spec, journals: fleet }),
  );
  const after = await bareWrites(scene, status, "after");
  const bare = median([before, after]);
  const over = (figures: HeldFigures): Recovered => ({
    ...figures,
    overBare: rounded(figures.perSecond / bare),
  });
  return {
    held,
    nodes,
    bareWritesPerSecond: rounded(bare),
    results: over(results),
    commands: over(commands),
    journal,
  };
}

/** A second; the objects are there before. */
async function bareWrites(
  { stage, held }: Scene,
  status: CommandStatus,
  when: string,
): Promise<number> {
  const { api, progress } = stage;
  progress(`${held} status writes to the bare API server`);
  const nameOf = (index: number): string => `${when}-${index}`;
  const spec = { nodeName: "bare-100", method: "noop" };
  await times(stage, held, (index) => api.createCommand(BARE_NAMESPACE, nameOf(index), spec));
  const start = performance.now();
  await times(stage, held, (index) => api.patchStatus(BARE_NAMESPACE, nameOf(index), status));
  return (held * 1_000) / (performance.now() - start);
}
