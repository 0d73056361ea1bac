import { grid } from "./grid.ts";
import type { RecoveryReport } from "./recovery.ts";

/** The report for people. */
export function recoveryTable(report: RecoveryReport): string {
  const { held, nodes, bareWritesPerSecond, results, commands, journal } = report;
  const lines = [
    "",
    ...grid([
      [`${held} over ${nodes} nodes`, "statuses/s", "over bare", "landing", "whole", "writes each"],
      ["bare status writes", String(bareWritesPerSecond), "1", "", "", "1"],
      ...Object.entries({
        "results, held without a controller": results,
        "commands, waiting for their nodes": commands,
      }).map(([name, figures]) => [
        name,
        String(figures.perSecond),
        String(figures.overBare),
        `${figures.landingMs} ms`,
        `${figures.wholeMs} ms`,
        String(figures.statusWritesPerCommand),
      ]),
    ]),
    "",
    `commits of the journal: ${journal.commitsPerCommand} a command, p50 ${journal.commitP50Ms} ms, p99 ${journal.commitP99Ms} ms`,
  ];
  return `${lines.join("\n")}\n`;
}
