import { readdir, readFile } from "node:fs/promises";

/** Of the kernel's clock ticks, in which /proc counts; the same on every Linux that Node runs on. */
const MS_PER_TICK = 10;
const NS_PER_MS = 1_000_000;
const BYTES_PER_KB = 1024;

/** CPU time of a process with all its threads, user and system, in milliseconds. */
export async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name of the program, in parentheses, may hold spaces: what counts begins after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

/**
 * The same of the threads that there are now, without the ones that have ended, but exact: for what is short, and
 * for servers, whose threads stay.
 */
export async function exactCpuMs(pid: number): Promise<number> {
  const tasks = `/proc/${pid}/task`;
  const read = (await readdir(tasks)).map((task) => readFile(`${tasks}/${task}/schedstat`, "utf8"));
  const ns = (await Promise.all(read)).map((line) => Number(line.split(" ")[0]));
  return ns.reduce((sum, each) => sum + each, 0) / NS_PER_MS;
}

/** CPU time of everything on this machine, and what its host took away from it, in milliseconds. */
export async function machineBusyMs(): Promise<number> {
  const [line = ""] = (await readFile("/proc/stat", "utf8")).split("\n", 1);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * MS_PER_TICK;
}

/** What of a process is in memory, in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  return statusField(pid, "VmRSS");
}

/** The most of it that ever was. */
export async function peakResidentBytes(pid: number): Promise<number> {
  return statusField(pid, "VmHWM");
}

async function statusField(pid: number, name: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const value = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  if (value === undefined) throw new Error(`/proc/${pid}/status does not tell ${name}`);
  return Number(value) * BYTES_PER_KB;
}

export const megabytes = (bytes: number): number => bytes / 1_000_000;

/** The CPU time of named processes from here on. */
export class CpuMeter<Name extends string> {
  readonly #pids: Readonly<Record<Name, number>>;
  readonly #before: ReadonlyMap<string, number>;

  private constructor(pids: Readonly<Record<Name, number>>, before: ReadonlyMap<string, number>) {
    this.#pids = pids;
    this.#before = before;
  }

  static async start<Name extends string>(
    pids: Readonly<Record<Name, number>>,
  ): Promise<CpuMeter<Name>> {
    return new CpuMeter(pids, await readAll(pids));
  }

  /** In milliseconds, divided by `count`, what each has used. */
  async per(count: number): Promise<Record<string, number>> {
    const after = await readAll(this.#pids);
    return Object.fromEntries(
      [...after].map(([name, ms]) => [name, (ms - (this.#before.get(name) ?? 0)) / count]),
    );
  }
}

async function readAll(pids: Readonly<Record<string, number>>): Promise<Map<string, number>> {
  const read = Object.entries(pids).map(async ([name, pid]) => [name, await cpuMs(pid)] as const);
  return new Map(await Promise.all(read));
}
