import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { UsageError, withUsageErrors } from "../dev/program.ts";

/** How much is measured. Every number is bounded, so that a run ends by itself. */
export interface BenchOptions {
  readonly benchmark: Benchmark;
  readonly json: boolean;
  readonly rounds: number;
  /** Of each round. */
  readonly seconds: number;
  readonly nodes: number;
  /** Commands under way at once when the rate is measured. */
  readonly concurrency: number;
  /** Commands a second when the latency is measured. */
  readonly rate: number;
  /** Of the round trips to an agent; of each message that is signed and verified, ten at a time. */
  readonly samples: number;
  /** Commands and nodes under which the controller's memory is looked at; 0: not. */
  readonly scale: number;
  /** Results, and commands, that an outage holds back. */
  readonly held: number;
  /** Nodes that lose their broker and come back. */
  readonly returning: number;
  /** Where the controller and the agents leave their CPU profiles. */
  readonly profile: string | undefined;
}

const BENCHMARKS = ["roundtrip", "recovery", "identity"] as const;
type Benchmark = (typeof BENCHMARKS)[number];

type NumberName =
  | "rounds"
  | "seconds"
  | "nodes"
  | "concurrency"
  | "rate"
  | "samples"
  | "scale"
  | "held"
  | "returning";

interface NumberOption {
  readonly normal: number;
  readonly short: number;
  readonly min: number;
  readonly max: number;
  readonly what: string;
}

const NUMBERS: Readonly<Record<NumberName, NumberOption>> = {
  rounds: { normal: 5, short: 1, min: 1, max: 50, what: "rounds of each kind" },
  seconds: { normal: 6, short: 1, min: 1, max: 60, what: "seconds that a round lasts" },
  nodes: { normal: 100, short: 10, min: 1, max: 500, what: "nodes" },
  concurrency: { normal: 32, short: 32, min: 1, max: 256, what: "commands under way at once" },
  rate: { normal: 100, short: 50, min: 1, max: 1000, what: "commands a second, for the latency" },
  samples: {
    normal: 1000,
    short: 50,
    min: 10,
    max: 20_000,
    what: "round trips to an agent; for identity, tens of each message",
  },
  scale: {
    normal: 10_000,
    short: 0,
    min: 0,
    max: 20_000,
    what: "commands and nodes for the controller's memory; 0: not looked at",
  },
  held: { normal: 1_000, short: 20, min: 1, max: 10_000, what: "results, and commands, held back" },
  returning: {
    normal: 1_000,
    short: 50,
    min: 1,
    max: 5_000,
    what: "nodes that lose their broker and come back",
  },
};

export const USAGE = `Usage: npm run bench -- <benchmark> [options]

  roundtrip          commands from the create call to the status, against the same API server without an
                     operator, and the way to the agent, against bare NATS
  recovery           how fast what an outage held back lands in etcd, against bare status writes; commits of
                     the journal
  identity           what signatures, seals and JWTs take, and a fleet that comes back to its broker over TLS, against
                     the same without

Each brings what it needs, on this machine, and ends by itself; see docs/performance.md.

  --json             print one JSON object and nothing else
  --short            a run that shows that it works and whose figures mean little
${Object.entries(NUMBERS)
  .map(([name, { what, normal, short }]) => {
    return `  ${`--${name} <n>`.padEnd(18)} ${what}; ${normal} unless told (--short: ${short})`;
  })
  .join("\n")}
  --profile <dir>    have the controller and the agents leave CPU profiles there
  --help             this text
`;

/** Undefined where the help is asked for. Throws a UsageError. */
export function parseOptions(argv: readonly string[]): BenchOptions | undefined {
  const { values, positionals } = parsed(argv);
  if (values.help === true) return undefined;
  const benchmark = BENCHMARKS.find((name) => name === positionals[0]);
  if (benchmark === undefined || positionals.length !== 1) {
    throw new UsageError(`expected one benchmark: ${BENCHMARKS.join(" or ")}`);
  }
  const short = values.short === true;
  const number = (name: NumberName): number => numberOf(name, values[name], short);
  return {
    benchmark,
    json: values.json === true,
    rounds: number("rounds"),
    seconds: number("seconds"),
    nodes: number("nodes"),
    concurrency: number("concurrency"),
    rate: number("rate"),
    samples: number("samples"),
    scale: number("scale"),
    held: number("held"),
    returning: number("returning"),
    profile: values.profile === undefined ? undefined : resolve(values.profile),
  };
}

// oxlint-disable-next-line typescript/explicit-module-boundary-types -- inferred from the option table
function parsed(argv: readonly string[]) {
  return withUsageErrors(() =>
    parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        json: { type: "boolean" },
        short: { type: "boolean" },
        help: { type: "boolean" },
        profile: { type: "string" },
        rounds: { type: "string" },
        seconds: { type: "string" },
        nodes: { type: "string" },
        concurrency: { type: "string" },
        rate: { type: "string" },
        samples: { type: "string" },
        scale: { type: "string" },
        held: { type: "string" },
        returning: { type: "string" },
      },
    }),
  );
}

function numberOf(name: NumberName, given: string | undefined, short: boolean): number {
  const { normal, short: fewer, min, max } = NUMBERS[name];
  if (given === undefined) return short ? fewer : normal;
  const value = Number(given);
  if (!/^\d+$/.test(given) || value < min || value > max) {
    throw new UsageError(`--${name} ${given}: expected a whole number from ${min} to ${max}`);
  }
  return value;
}
