import type { Step } from "../schedule.ts";
import type { World } from "../world.ts";
import { nemesisOf } from "./table.ts";

/**
 * Does to the world what the schedule says, each step on its own time; resolves when everything is healed.
 * This is the one place that waits for time. A busy machine heals late: what is done to one process waits until
 * what was done to it before is healed. The first step that fails ends the others.
 */
export async function runSchedule(schedule: readonly Step[], world: World): Promise<void> {
  const failed = new AbortController();
  const context = {
    world: { ...world, signal: AbortSignal.any([world.signal, failed.signal]) },
    startedAt: world.clock.monotonic(),
  };
  const healed = new Map<string, Promise<void>>();
  const running = schedule.map((step) => {
    const key = sufferer(step);
    const done = runStep(step, context, healed.get(key));
    healed.set(key, done);
    return done.catch((thrown: unknown) => {
      failed.abort(thrown);
      throw thrown;
    });
  });
  await Promise.all(running);
}

interface Context {
  readonly world: World;
  readonly startedAt: number;
}

/** Two faults of a link and of the process behind it may meet; two of the same process may not. */
function sufferer({ fault, target }: Step): string {
  if (fault.startsWith("link-") || fault.startsWith("api-")) return `${fault} ${target}`;
  // The one does not become ready without the other.
  return target === "kube-apiserver" ? "etcd" : target;
}

async function runStep(
  step: Step,
  { world, startedAt }: Context,
  before: Promise<void> | undefined,
): Promise<void> {
  const { clock, signal, trace, faults } = world;
  const { fault, target, params, durationMs } = step;
  const nemesis = nemesisOf(fault);
  const leadMs = params["snapshotAgeMs"] ?? 0;
  await clock.sleep(startedAt + step.atMs - leadMs - clock.monotonic(), signal);
  await before;
  signal.throwIfAborted();
  const record = { fault, target, fromMs: trace.nowMs, toMs: Infinity };
  faults.push(record);
  trace.add("fault", { fault, target, params, durationMs });
  await nemesis.inject(world, step);
  trace.add("injected", { fault, target });
  await clock.sleep(startedAt + step.atMs + durationMs - clock.monotonic(), signal);
  signal.throwIfAborted();
  await nemesis.heal(world, step);
  record.toMs = trace.nowMs;
  trace.add("healed", { fault, target });
}
