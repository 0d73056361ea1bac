import { readFile } from "node:fs/promises";
import { arch, hostname, platform, release } from "node:os";
import type { Hello } from "../protocol/hello.ts";
import { ownAccount, type Account } from "./account.ts";

/** Longest fact that a hello takes. */
const MAX_FACT = 128;

/** What the agent finds out about its machine, once, when it starts. */
export interface MachineFacts {
  readonly facts: Hello["facts"];
  /** The kernel's id of this boot. */
  readonly bootID: string;
  /** The agent's own. */
  readonly account: Account;
}

/** Reads them. Throws if the kernel has no boot id to read: without it a reboot would go unseen. */
export async function gatherFacts(): Promise<MachineFacts> {
  const bootID = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  return {
    facts: {
      os: bounded(platform()),
      arch: bounded(arch()),
      kernel: bounded(release()),
      hostname: bounded(hostname()),
    },
    bootID,
    account: ownAccount(),
  };
}

function bounded(fact: string): string {
  return fact.slice(0, MAX_FACT);
}
