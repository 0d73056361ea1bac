import { startGuardian } from "../dev/controlplane/guard.ts";
import type { BenchOptions } from "./options.ts";
import { pinning } from "./pinning.ts";
import {
  BROKERS,
  measureReconnect,
  type BrokerKind,
  type ReconnectFigures,
  type ReconnectScene,
} from "./reconnect.ts";
import type { RoundtripContext } from "./roundtrip.ts";
import {
  measureEnvelopes,
  measureMinting,
  measureSealing,
  SAID,
  type EnvelopeFigures,
  type Said,
  type SealingFigures,
} from "./signing.ts";
import { median, medianRatio, rounded } from "./statistics.ts";

/** What `npm run bench -- identity --json` prints. */
export interface IdentityReport {
  readonly envelopes: Readonly<Record<Said, EnvelopeCost>>;
  /** Of all four together: what is signed and verified for a command that ends within a second, on both sides. */
  readonly perCommand: EnvelopeCost;
  readonly sealing: SealingFigures;
  readonly minting: { readonly jwts: number; readonly ms: number };
  readonly reconnect: {
    readonly nodes: number;
    readonly rounds: number;
    readonly secured: Reconnected;
    readonly plain: Reconnected;
    /** Of the two, round by round. */
    readonly overPlain: Omit<Reconnected, "brokerAwayMs">;
    /** Of all cores, what others used while nodes came back: above a twentieth, measure again. */
    readonly foreignCpuShare: number;
  };
  readonly setting: { readonly pinning: string; readonly node: string };
}

export interface EnvelopeCost {
  /** Encoded with a signature less without. */
  readonly signUs: number;
  /** Decoded with a signature less without. */
  readonly verifyUs: number;
  readonly encodeOverUnsigned: number;
  readonly decodeOverUnsigned: number;
}

export type Reconnected = Omit<ReconnectFigures, "foreignShare">;

/** What signatures, seals, JWTs and TLS cost, over the same without them. */
export async function identity(
  options: BenchOptions,
  { stop, progress }: RoundtripContext,
): Promise<IdentityReport> {
  await using stack = new AsyncDisposableStack();
  const guardian = stack.use(await startGuardian());
  const places = await pinning("the broker");
  progress(places.note);
  await places.others(process.pid);
  const { samples, returning: nodes, rounds } = options;
  progress("signatures, seals, JWTs");
  const sampling = { samples, signal: stop.signal };
  const envelopes = await measureEnvelopes(sampling);
  const sealing = await measureSealing(sampling);
  const mintingMs = await measureMinting(nodes);
  const scene = { guardian, pinning: places, stop, progress, nodes };
  const outages = await measureOutages(scene, rounds);
  return {
    envelopes: eachCost(envelopes),
    perCommand: costOf(SAID.map((said) => envelopes[said])),
    sealing: { sealUs: rounded(sealing.sealUs), unsealUs: rounded(sealing.unsealUs) },
    minting: { jwts: nodes, ms: rounded(mintingMs) },
    reconnect: { nodes, rounds, ...compared(outages) },
    setting: { pinning: places.note, node: process.version },
  };
}

type Outages = Readonly<Record<BrokerKind, readonly ReconnectFigures[]>>;

/** Both brokers in turn; the order is turned round every time. */
async function measureOutages(scene: ReconnectScene, rounds: number): Promise<Outages> {
  const outages: Record<BrokerKind, ReconnectFigures[]> = { secured: [], plain: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const kind of round % 2 === 0 ? BROKERS : BROKERS.toReversed()) {
      const figures = await measureReconnect(scene, kind, round);
      outages[kind].push(figures);
      scene.progress(
        `round ${round + 1} of ${rounds}, ${kind}: all ${scene.nodes} back after ${figures.returnMs.toFixed(0)} ms`,
      );
    }
  }
  return outages;
}

function eachCost(envelopes: Readonly<Record<Said, EnvelopeFigures>>): Record<Said, EnvelopeCost> {
  const { command, ack, result, receipt } = envelopes;
  return {
    command: costOf([command]),
    ack: costOf([ack]),
    result: costOf([result]),
    receipt: costOf([receipt]),
  };
}

function costOf(envelopes: readonly EnvelopeFigures[]): EnvelopeCost {
  const sum = (figure: keyof EnvelopeFigures): number =>
    envelopes.reduce((total, each) => total + each[figure], 0);
  return {
    signUs: rounded(sum("encodeUs") - sum("encodeUnsignedUs")),
    verifyUs: rounded(sum("decodeUs") - sum("decodeUnsignedUs")),
    encodeOverUnsigned: rounded(sum("encodeUs") / sum("encodeUnsignedUs")),
    decodeOverUnsigned: rounded(sum("decodeUs") / sum("decodeUnsignedUs")),
  };
}

function compared({
  secured,
  plain,
}: Outages): Pick<
  IdentityReport["reconnect"],
  "secured" | "plain" | "overPlain" | "foreignCpuShare"
> {
  const ratio = (figure: keyof Reconnected): number =>
    rounded(
      medianRatio(
        secured.map((each) => each[figure]),
        plain.map((each) => each[figure]),
      ),
    );
  return {
    secured: summary(secured),
    plain: summary(plain),
    overPlain: {
      returnMs: ratio("returnMs"),
      brokerCpuMsPerNode: ratio("brokerCpuMsPerNode"),
      clientCpuMsPerNode: ratio("clientCpuMsPerNode"),
    },
    foreignCpuShare: rounded(median([...secured, ...plain].map((each) => each.foreignShare))),
  };
}

function summary(outages: readonly ReconnectFigures[]): Reconnected {
  const of = (figure: keyof Reconnected): number =>
    rounded(median(outages.map((each) => each[figure])));
  return {
    returnMs: of("returnMs"),
    brokerAwayMs: of("brokerAwayMs"),
    brokerCpuMsPerNode: of("brokerCpuMsPerNode"),
    clientCpuMsPerNode: of("clientCpuMsPerNode"),
  };
}
