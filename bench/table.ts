import type { Verdict } from "./budgets.ts";
import { grid } from "./grid.ts";
import type { Report } from "./report.ts";

/** The report for people. */
export function tableOf(report: Report): string {
  const { pair, fleet, inMemory, ack, residentMb, scale, broker } = report;
  const sides = {
    "bare pair": pair,
    fleet,
    ...(inMemory && { "the same, journals in memory": inMemory }),
  };
  const processes = Object.keys(fleet.cpuMsPerCommand);
  const lines = [
    "",
    ...grid([["figure", "value", "budget", ""], ...report.budgets.map(verdictRow)]),
    "",
    ...grid([
      ["", "commands/s", "steady at", "p50", "p99", "writes", "commands"],
      ...Object.entries(sides).map(([name, side]) => [
        name,
        String(side.commandsPerSecond),
        `${side.steadyPerSecond}/s`,
        `${side.p50Ms} ms`,
        `${side.p99Ms} ms`,
        String(side.statusWritesPerCommand),
        String(side.commands),
      ]),
    ]),
    "",
    ...grid([
      ["CPU ms per command", ...processes, "server core", "other core"],
      ...Object.entries(sides).map(([name, side]) => [
        name,
        ...processes.map((each) => String(side.cpuMsPerCommand[each] ?? "-")),
        String(side.serverCoreMsPerCommand),
        String(side.otherCoreMsPerCommand),
      ]),
    ]),
    "",
    ...grid([
      ["one at a time", "p50", "p99"],
      ["bare request/reply", `${ack["bareP50Ms"]} ms`, `${ack["bareP99Ms"]} ms`],
      ["send to ACK", `${ack["ackP50Ms"]} ms`, `${ack["ackP99Ms"]} ms`],
      ["commit of the journal", `${ack["commitP50Ms"]} ms`, `${ack["commitP99Ms"]} ms`],
    ]),
    "",
    `resident MB after the rounds: ${listed(residentMb)}`,
    `controller RSS was taken at: ${listed(scale)}`,
    `broker: ${listed(broker)}`,
    `setting: ${listed(report.setting)}`,
    ...saturation(report),
    `others used ${Math.round(report.foreignCpuShare * 100)} % of the machine meanwhile${doubt(report)}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Above it, the machine was not quiet enough to believe the figures. */
const MAX_FOREIGN_SHARE = 0.05;

/** Of the rate that was asked for; the last commands' own time makes it a little less. */
const REACHED_SHARE = 0.97;

function saturation({ pair, setting }: Report): string[] {
  const rate = Number(setting["steadyRate"]);
  if (pair.steadyPerSecond >= rate * REACHED_SHARE) return [];
  return [
    `the API server's core cannot do ${rate}/s: the latencies are those of a queue; try --rate ${Math.floor(pair.commandsPerSecond / 2)}`,
  ];
}

export function doubt({ foreignCpuShare }: Pick<Report, "foreignCpuShare">): string {
  return foreignCpuShare > MAX_FOREIGN_SHARE ? ": MEASURE AGAIN, these figures mean little" : "";
}

function verdictRow({ what, value, limit, atLeast, ok }: Verdict): string[] {
  return [what, String(value), `${atLeast === true ? ">=" : "<="} ${limit}`, ok ? "ok" : "over"];
}

function listed(record: Readonly<Record<string, unknown>>): string {
  return Object.entries(record)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(", ");
}
