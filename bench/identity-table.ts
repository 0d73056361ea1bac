import { grid } from "./grid.ts";
import type { EnvelopeCost, IdentityReport, Reconnected } from "./identity.ts";
import { rounded } from "./statistics.ts";
import { doubt } from "./table.ts";

/** The report for people. */
export function identityTable(report: IdentityReport): string {
  const { envelopes, perCommand, sealing, minting, reconnect, setting } = report;
  const { nodes, rounds, secured, plain, overPlain, foreignCpuShare } = reconnect;
  const lines = [
    "",
    ...grid([
      ["", "sign", "verify", "encode over unsigned", "decode over unsigned"],
      ...Object.entries({ ...envelopes, "all four": perCommand }).map(costRow),
    ]),
    "",
    `signing and verifying: ${rounded((perCommand.signUs + perCommand.verifyUs) / 1_000)} ms of CPU per command, both sides together`,
    `a secret of 64 bytes: sealed in ${sealing.sealUs} us, unsealed in ${sealing.unsealUs} us`,
    `${minting.jwts} JWTs of nodes: ${minting.ms} ms`,
    "",
    ...grid([
      [
        `${nodes} nodes, their broker killed`,
        "all back",
        "broker away",
        "broker's CPU per node",
        "clients' CPU per node",
      ],
      outageRow("TLS and JWTs", secured),
      outageRow("neither", plain),
      [
        "over neither",
        String(overPlain.returnMs),
        "",
        String(overPlain.brokerCpuMsPerNode),
        String(overPlain.clientCpuMsPerNode),
      ],
    ]),
    "",
    `${rounds} rounds of each; ${setting.pinning}`,
    `others used ${Math.round(foreignCpuShare * 100)} % of the machine meanwhile${doubt(reconnect)}`,
  ];
  return `${lines.join("\n")}\n`;
}

function costRow([said, cost]: readonly [string, EnvelopeCost]): string[] {
  const { signUs, verifyUs, encodeOverUnsigned, decodeOverUnsigned } = cost;
  const ratios = [String(encodeOverUnsigned), String(decodeOverUnsigned)];
  return [said, `${signUs} us`, `${verifyUs} us`, ...ratios];
}

function outageRow(name: string, figures: Reconnected): string[] {
  const { returnMs, brokerAwayMs, brokerCpuMsPerNode, clientCpuMsPerNode } = figures;
  const each = [returnMs, brokerAwayMs, brokerCpuMsPerNode, clientCpuMsPerNode];
  return [name, ...each.map((ms) => `${ms} ms`)];
}
