import type { Random } from "../../src/runtime/random.ts";
import { between } from "../support/seeded-random.ts";
import {
  CONTROLLERS,
  CRAMPED_NODE,
  MORTAL_NODE,
  NODES,
  ODD_CLOCK_CONTROLLER,
  ODD_CLOCK_NODE,
} from "./topology.ts";

/** What can be done to the system, as the schedule needs to know it. Pure. */
export const FAULTS = [
  "kill",
  "restart",
  "pause",
  "machine-death",
  "disk-full",
  "clock-jump",
  "server-kill",
  "server-pause",
  "nats-wipe",
  "etcd-compact",
  "etcd-restore",
  "link-silence",
  "link-cut",
  "link-delay",
  "link-drop",
  "link-duplicate",
  "api-errors",
] as const;
export type FaultName = (typeof FAULTS)[number];

export interface FaultKind {
  readonly fault: FaultName;
  /** How often it is chosen, against the others. */
  readonly weight: number;
  readonly targets: readonly string[];
  /** How long it may last; both ends included. */
  readonly durationMs: readonly [number, number];
  /** What it touches: no two faults touch the same part at once. */
  parts(target: string): readonly string[];
  readonly params?: (random: Random) => Readonly<Record<string, number>>;
}

const processes: readonly string[] = [...NODES, ...CONTROLLERS];
const own = (target: string): readonly string[] => [target];
const link = (target: string): readonly string[] => [`link/${target}`];
const api = (target: string): readonly string[] => [`api/${target}`];
const MINUTE_MS = 60_000;

/** The wait between the restored etcd and the start of the controllers, as DESIGN §4 asks for it. */
export const RESTORE_WAIT_MS = MINUTE_MS;
const RESTORE_MS = RESTORE_WAIT_MS + 25_000;

/** The servers of Kubernetes are one part: one that starts needs the other. */
function serverParts(target: string): readonly string[] {
  return [target === "nats-server" ? target : "kubernetes"];
}

export const CATALOGUE: readonly FaultKind[] = [
  { fault: "kill", weight: 8, targets: processes, durationMs: [200, 6_000], parts: own },
  { fault: "restart", weight: 2, targets: processes, durationMs: [200, 2_000], parts: own },
  { fault: "pause", weight: 3, targets: NODES, durationMs: [2_000, 15_000], parts: own },
  // Past the lease of 15 s.
  { fault: "pause", weight: 3, targets: CONTROLLERS, durationMs: [16_000, 25_000], parts: own },
  {
    fault: "machine-death",
    weight: 3,
    targets: [MORTAL_NODE],
    durationMs: [500, 8_000],
    parts: own,
  },
  {
    fault: "disk-full",
    weight: 2,
    targets: [CRAMPED_NODE],
    durationMs: [4_000, 12_000],
    parts: own,
  },
  {
    fault: "clock-jump",
    weight: 2,
    targets: [ODD_CLOCK_NODE],
    durationMs: [3_000, 20_000],
    parts: (target) => [`clock/${target}`],
    params: (random) => ({ minutes: between(random, -600, 600) }),
  },
  {
    fault: "clock-jump",
    weight: 1,
    targets: [ODD_CLOCK_CONTROLLER],
    durationMs: [3_000, 20_000],
    parts: (target) => [`clock/${target}`],
    // Forward only: further back its certificates are not valid yet.
    params: (random) => ({ minutes: between(random, 1, 360) }),
  },
  {
    fault: "server-kill",
    weight: 4,
    targets: ["nats-server", "etcd", "kube-apiserver"],
    durationMs: [200, 6_000],
    parts: serverParts,
  },
  {
    fault: "server-pause",
    weight: 2,
    targets: ["nats-server", "etcd", "kube-apiserver"],
    durationMs: [2_000, 12_000],
    parts: serverParts,
  },
  {
    fault: "nats-wipe",
    weight: 2,
    targets: ["nats-server"],
    durationMs: [200, 3_000],
    parts: serverParts,
  },
  {
    fault: "etcd-compact",
    weight: 1,
    targets: ["etcd"],
    durationMs: [100, 100],
    parts: serverParts,
  },
  {
    fault: "etcd-restore",
    // Placed by the schedule itself, into runs that have the time for it.
    weight: 0,
    targets: ["etcd"],
    durationMs: [RESTORE_MS, RESTORE_MS],
    parts: () => ["kubernetes", ...CONTROLLERS, ...CONTROLLERS.flatMap(api)],
  },
  {
    fault: "link-silence",
    weight: 3,
    targets: processes,
    durationMs: [3_000, 25_000],
    parts: link,
  },
  {
    fault: "link-silence",
    weight: 2,
    targets: CONTROLLERS.map((name) => `api/${name}`),
    durationMs: [3_000, 20_000],
    parts: own,
  },
  { fault: "link-cut", weight: 3, targets: processes, durationMs: [1_000, 6_000], parts: link },
  {
    fault: "link-delay",
    weight: 2,
    targets: processes,
    durationMs: [3_000, 15_000],
    parts: link,
    params: (random) => ({ maxMs: between(random, 50, 3_000) }),
  },
  { fault: "link-drop", weight: 3, targets: processes, durationMs: [3_000, 15_000], parts: link },
  {
    fault: "link-duplicate",
    weight: 4,
    targets: processes,
    durationMs: [3_000, 20_000],
    parts: link,
  },
  {
    fault: "api-errors",
    weight: 4,
    targets: CONTROLLERS,
    durationMs: [3_000, 15_000],
    parts: api,
    params: (random) => ({ percent: between(random, 10, 60) }),
  },
];
