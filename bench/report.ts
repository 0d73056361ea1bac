import type { AckFigures } from "./ack.ts";
import type { BrokerFigures } from "./broker.ts";
import { judge, type BudgetedFigure, type Verdict } from "./budgets.ts";
import type { CommandFigures } from "./commands.ts";
import { megabytes } from "./process-usage.ts";
import type { ScaleFigures } from "./scale.ts";
import { summary, type Round, type Rounds } from "./side.ts";
import type { StartupFigures } from "./startup.ts";
import { median, medianRatio, percentile, rounded } from "./statistics.ts";

/** All that was measured. */
export interface Measured {
  readonly commands: CommandFigures;
  readonly acks: AckFigures;
  readonly startup: StartupFigures;
  readonly broker: BrokerFigures;
  readonly scale: ScaleFigures;
  readonly setting: Readonly<Record<string, string | number | boolean>>;
}

interface SideReport {
  readonly commandsPerSecond: number;
  /** At the steady rate. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** What was reached of it: less, and the latencies are those of a queue that only grows. */
  readonly steadyPerSecond: number;
  /** By process, as fast as it goes. */
  readonly cpuMsPerCommand: Readonly<Record<string, number>>;
  /** By core: the larger one, and not the waiting, is what limits the rate. */
  readonly serverCoreMsPerCommand: number;
  readonly otherCoreMsPerCommand: number;
  readonly statusWritesPerCommand: number;
  readonly commands: number;
}

/** What `--json` prints. */
export type Report = Readonly<Record<BudgetedFigure, number>> & {
  readonly controllerCpuMsPerCommand: number;
  /** Of all cores, what others used while commands were measured: above a twentieth, measure again. */
  readonly foreignCpuShare: number;
  readonly pair: SideReport;
  readonly fleet: SideReport;
  readonly inMemory?: SideReport & { readonly throughputRatio: number; readonly p50Ratio: number };
  readonly ack: Readonly<Record<string, number>>;
  readonly residentMb: Readonly<Record<string, number>>;
  readonly scale: Readonly<Record<string, number>>;
  readonly broker: Readonly<Record<string, number>>;
  readonly setting: Measured["setting"];
  readonly budgets: readonly Verdict[];
};

export function reportOf(measured: Measured): Report {
  const { commands, acks, startup, broker, scale, setting } = measured;
  const { pair, fleet, inMemory } = commands;
  const fleetReport = sideReport(fleet);
  const ack = ackReport(acks);
  const figures = {
    ...ratios(fleet, pair),
    ackRatio: rounded((median(acks.ack) - median(acks.commit)) / median(acks.bare)),
    statusWritesPerCommand: fleetReport.statusWritesPerCommand,
    controllerRssMb: rounded(megabytes(scale.resident)),
    agentRssMb: rounded(megabytes(median(startup.resident))),
    agentStartMs: rounded(median(startup.startMs)),
    brokerConnectionRatio: rounded(median(broker.node) / median(broker.bare)),
  };
  return {
    ...figures,
    controllerCpuMsPerCommand: fleetReport.cpuMsPerCommand["controller"] ?? Number.NaN,
    foreignCpuShare: rounded(foreignShare([pair, fleet])),
    pair: sideReport(pair),
    fleet: fleetReport,
    ...(inMemory === undefined
      ? {}
      : { inMemory: { ...ratios(inMemory, pair), ...sideReport(inMemory) } }),
    ack,
    residentMb: mapped(commands.resident, megabytes),
    scale: {
      commands: scale.commands,
      nodes: scale.nodes,
      controllerPeakMb: rounded(megabytes(scale.peak)),
    },
    broker: {
      bareBytesPerConnection: Math.round(median(broker.bare)),
      nodeBytesPerConnection: Math.round(median(broker.node)),
    },
    setting,
    budgets: judge(figures),
  };
}

function ratios(
  over: Rounds,
  under: Rounds,
): { readonly throughputRatio: number; readonly p50Ratio: number } {
  return {
    throughputRatio: rounded(medianRatio(rates(over), rates(under))),
    p50Ratio: rounded(medianRatio(middles(over), middles(under))),
  };
}

function foreignShare(sides: readonly Rounds[]): number {
  const rounds = sides.flatMap(({ full, steady }) => [...full, ...steady]);
  return median(rounds.map((round) => round.foreignShare));
}

function rates({ full }: Rounds): number[] {
  return full.map(({ perSecond }) => perSecond);
}

function middles({ steady }: Rounds): number[] {
  return steady.map(({ p50Ms }) => p50Ms);
}

function sideReport({ full, steady }: Rounds): SideReport {
  const fast = summary(full);
  const slow = summary(steady);
  const { kubeApiserver = 0, etcd = 0 } = fast.cpuMsPerCommand;
  const server = kubeApiserver + etcd;
  const all = Object.values(fast.cpuMsPerCommand).reduce((sum, ms) => sum + ms, 0);
  return {
    commandsPerSecond: rounded(fast.perSecond),
    p50Ms: rounded(slow.p50Ms),
    p99Ms: rounded(slow.p99Ms),
    steadyPerSecond: rounded(slow.perSecond),
    cpuMsPerCommand: mapped(fast.cpuMsPerCommand, (ms) => ms),
    serverCoreMsPerCommand: rounded(server),
    otherCoreMsPerCommand: rounded(all - server),
    statusWritesPerCommand: writesPerCommand([...full, ...steady]),
    commands: fast.commands + slow.commands,
  };
}

/** Exact, so that one write too many among thousands shows. */
function writesPerCommand(rounds: readonly Round[]): number {
  const commands = rounds.reduce((sum, round) => sum + round.commands, 0);
  const writes = rounds.reduce(
    (sum, round) => sum + Math.round(round.statusWritesPerCommand * round.commands),
    0,
  );
  return writes / commands;
}

function ackReport({ bare, ack, commit, commandBytes, ackBytes }: AckFigures): SideNumbers {
  const named = { bare, ack, commit };
  const all: Record<string, number> = { commandBytes, ackBytes };
  for (const [name, values] of Object.entries(named)) {
    all[`${name}P50Ms`] = rounded(median(values));
    all[`${name}P99Ms`] = rounded(percentile(values, 0.99));
  }
  return all;
}

type SideNumbers = Readonly<Record<string, number>>;

function mapped(record: SideNumbers, change: (value: number) => number): SideNumbers {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, rounded(change(value))]),
  );
}
