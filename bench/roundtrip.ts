import { measureAcks } from "./ack.ts";
import { measureBroker } from "./broker.ts";
import { measureCommands } from "./commands.ts";
import type { BenchOptions } from "./options.ts";
import { reportOf, type Report } from "./report.ts";
import { measureScale } from "./scale.ts";
import { setStage, startController, type StageOptions } from "./stage.ts";
import { measureStartup } from "./startup.ts";

/** The one namespace that the controller serves. */
const NAMESPACE = "bench-fleet";
/** So many rounds or fewer make a short run, of which nobody wants the rest in full. */
const SHORT_ROUNDS = 1;

export type RoundtripContext = Omit<StageOptions, "profile">;

/** Sets up, measures one thing after the other, takes everything away. */
export async function roundtrip(options: BenchOptions, context: RoundtripContext): Promise<Report> {
  await using stack = new AsyncDisposableStack();
  const { progress } = context;
  const stage = await setStage(stack, { ...context, profile: options.profile });
  progress(stage.pinning.note);
  await stage.api.createNamespace(NAMESPACE);
  const controller = await startController(stage, NAMESPACE);
  const served = { namespace: NAMESPACE, controllerPid: controller.pid };
  const isShort = options.rounds <= SHORT_ROUNDS;

  const commands = await measureCommands(stage, served, options);
  progress("the agent's start and memory");
  const startup = await measureStartup(stage, {
    namespace: NAMESPACE,
    starts: isShort ? 1 : 5,
    idleMs: isShort ? 500 : 3_000,
  });
  const scale = await measureScale(stage, {
    ...served,
    count: options.scale,
    commands: commands.objects,
    nodes: commands.nodes + 1,
  });
  await controller.stop();
  progress("the way to the agent, against bare NATS");
  const acks = await measureAcks(stage, options.samples);
  progress("the broker's memory");
  const broker = await measureBroker(stage, {
    connections: isShort ? 100 : 500,
    repetitions: isShort ? 1 : 3,
  });
  const setting = {
    pinning: stage.pinning.note,
    node: process.version,
    fsync: true,
    rounds: options.rounds,
    secondsPerRound: options.seconds,
    nodes: options.nodes,
    concurrency: options.concurrency,
    steadyRate: options.rate,
  };
  return reportOf({ commands, acks, startup, broker, scale, setting });
}
