import { completeCertificates, type CertificateOptions } from "./key-set-certificates.ts";
import { KeySetDraft } from "./key-set-draft.ts";
import { completeJwts } from "./key-set-jwts.ts";
import type { KeyFileChange, KeyFiles } from "./key-set-layout.ts";
import { completeCommandKeys, completeSeeds } from "./key-set-seeds.ts";
import { parseServers } from "./servers.ts";

export interface KeySetOptions extends CertificateOptions {
  /** The URLs at which agents dial the broker; what was there stays without it. */
  readonly servers?: readonly string[];
}

/**
 * What is to be written for the key sets to be whole, in the order in which it is to be written: nothing if they are.
 * What is missing is made from what is there. Nothing that is there is replaced, except: the server's certificate
 * when less than a third of its life is left or a name is missing; the public half of command keys that were rotated;
 * the URLs, when others are given.
 *
 * Throws a KeySetError for a file that does not belong to the others, or that is missing and cannot be made again.
 */
export async function completeKeySets(
  existing: KeyFiles,
  options: KeySetOptions,
): Promise<readonly KeyFileChange[]> {
  const draft = new KeySetDraft(existing);
  const keys = completeSeeds(draft);
  completeCommandKeys(draft);
  await completeCertificates(draft, options);
  await completeJwts(draft, keys);
  completeServers(draft, options.servers);
  return draft.changes();
}

function completeServers(draft: KeySetDraft, servers: readonly string[] | undefined): void {
  const file = "enrollment/servers.json";
  const there = draft.get(file);
  const current = there === undefined ? [] : parseServers(there);
  if (servers === undefined || servers.join() === current.join()) return;
  draft.renew(file, `${JSON.stringify(servers)}\n`);
}
