import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { Guardian } from "../../dev/controlplane/guard.ts";
import type { Facilities } from "./facilities.ts";
import { NamespaceHolder } from "./holder.ts";
import type { OddClock } from "./odd-clock.ts";
import { STEWARD, type Launch } from "./process.ts";
import { CRAMPED_NODE, MORTAL_NODE, ODD_CLOCK_NODE, type NodeName } from "./topology.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";
/** Room for the journal of a long run, and soon filled up. */
const CRAMPED_MB = 32;

interface PlaceOptions {
  readonly guardian: Guardian;
  readonly facilities: Facilities;
  /** Of the node: outlives its machine. */
  readonly home: string;
  readonly newID: () => string;
  readonly signal: AbortSignal;
}

/** A machine that can die: what runs on it dies with it, and its next boot has another id. */
export class Machine {
  readonly #options: PlaceOptions;
  #holder: NamespaceHolder | undefined;

  constructor(options: PlaceOptions) {
    this.#options = options;
  }

  async boot(): Promise<void> {
    const { home, guardian, newID, signal } = this.#options;
    const bootID = join(home, "boot-id");
    await writeFile(bootID, `${newID()}\n`);
    const setUp = `mount --bind ${bootID} ${BOOT_ID}`;
    const logPath = join(home, "machine.log");
    const options = { guardian, logPath, processes: true, setUp };
    this.#holder = await NamespaceHolder.start(options, signal);
  }

  async die(): Promise<void> {
    await this.#holder?.kill();
    this.#holder = undefined;
  }

  inside(launch: Launch): Launch {
    // Between its death and its next boot there is no machine to start anything on.
    return this.#holder?.inside(launch) ?? { command: "false", args: [] };
  }
}

/** A small file system at `dir`, which only what is started inside can see. */
export class CrampedDisk {
  readonly #holder: NamespaceHolder;
  readonly #dir: string;

  private constructor(holder: NamespaceHolder, dir: string) {
    this.#holder = holder;
    this.#dir = dir;
  }

  static async mount({ home, guardian, signal }: PlaceOptions): Promise<CrampedDisk> {
    const dir = dataDir(home);
    await mkdir(dir, { recursive: true });
    const setUp = `mount -t tmpfs -o size=${CRAMPED_MB}m,mode=700 none ${dir}`;
    const options = { guardian, logPath: join(home, "disk.log"), processes: false, setUp };
    return new CrampedDisk(await NamespaceHolder.start(options, signal), dir);
  }

  inside(launch: Launch): Launch {
    return this.#holder.inside(launch);
  }

  /** The same directory, for those outside. */
  get outside(): string {
    return this.#holder.pathOf(this.#dir);
  }
}

/** What surrounds a node's agent, where it is not simply a process. */
export interface Surroundings {
  readonly machine: Machine | undefined;
  readonly disk: CrampedDisk | undefined;
  readonly wantsOddClock: boolean;
}

export async function surroundingsOf(node: NodeName, options: PlaceOptions): Promise<Surroundings> {
  const { namespaces } = options.facilities;
  const machine = namespaces && node === MORTAL_NODE ? new Machine(options) : undefined;
  await machine?.boot();
  const disk = namespaces && node === CRAMPED_NODE ? await CrampedDisk.mount(options) : undefined;
  return { machine, disk, wantsOddClock: node === ODD_CLOCK_NODE };
}

function dataDir(home: string): string {
  return join(home, "data");
}

/** How `steward agent` is run with these arguments at this moment, in whatever surrounds it. */
export function agentLaunch(
  home: string,
  args: readonly string[],
  around: Surroundings & { readonly oddClock: OddClock | undefined },
): Launch {
  const command = [STEWARD, "agent", ...args, "--data-dir", dataDir(home)];
  const plain: Launch = { command: process.execPath, args: command };
  const odd = around.oddClock?.odd(plain) ?? plain;
  const onDisk = around.disk?.inside(odd) ?? odd;
  return around.machine?.inside(onDisk) ?? onDisk;
}
