import { COMMIT_TIMES } from "./agent-host-config.ts";
import type { Fleet } from "./fleet.ts";
import type { Scene } from "./held.ts";
import { median, percentile, rounded } from "./statistics.ts";
import { Tracker } from "./tracker.ts";

export interface JournalFigures {
  readonly commitsPerCommand: number;
  readonly commitP50Ms: number;
  readonly commitP99Ms: number;
}

/** Commits of the journal, with one command at a time, each a real process. */
export async function measureJournal(
  scene: Scene,
  { nodes }: Fleet,
  commands: number,
): Promise<JournalFigures> {
  const { stage, namespace } = scene;
  stage.progress(`commits of the journal, over ${commands} commands`);
  const tracker = new Tracker({ ...stage, namespace });
  await tracker.start();
  const spec = { method: "shellcommand", args: ["true"] };
  await tracker.command(nodes, spec);
  await commitTimes(scene);
  for (let index = 0; index < commands; index += 1) await tracker.command(nodes, spec);
  tracker.stop();
  const durations = await commitTimes(scene);
  return {
    commitsPerCommand: rounded(durations.length / commands),
    commitP50Ms: rounded(median(durations)),
    commitP99Ms: rounded(percentile(durations, 0.99)),
  };
}

async function commitTimes({ nats }: Scene): Promise<number[]> {
  const reply = await nats.request(COMMIT_TIMES, undefined, { timeout: 10_000 });
  const durations: number[] = JSON.parse(reply.string());
  return durations;
}
