import type { EdgeNode } from "../api/v1alpha1/edgenode.ts";
import {
  parseCommandKeys,
  parsePublicCommandKeys,
  publicHalfOf,
  serialiseCommandKeys,
  serialisePublicCommandKeys,
  withNewCommandKey,
  withNewestCommandKey,
  type CommandKeys,
} from "../identity/command-keys.ts";
import { KeySetError, type KeyFile, type KeyFiles } from "../identity/key-set-layout.ts";
import { listAll } from "../kubernetes/list.ts";
import { openKeyStore } from "./key-store-open.ts";
import type { KeyStore } from "./key-store.ts";
import { openTransport, runOneShot } from "./one-shot.ts";
import type { Compiled } from "./program.ts";
import { edgeNodes } from "./resources.ts";
import { rotateCommandKeyProgram } from "./rotate-command-key-options.ts";

type Options = Compiled<typeof rotateCommandKeyProgram.options>;

const PRIVATE_FILE: KeyFile = "controller/command-keys.json";
const PUBLIC_FILE: KeyFile = "enrollment/command-keys.pub.json";
const MAX_NAMED = 10;

/** `steward rotate-command-key`. Resolves to the exit status. */
export async function runRotateCommandKey(argv: readonly string[]): Promise<number> {
  return runOneShot(rotateCommandKeyProgram, argv, async (options) => {
    await using stack = new AsyncDisposableStack();
    const store = await openKeyStore(options, stack);
    const files = await store.read(["controller", "enrollment"]);
    const current = parseCommandKeys(need(files, PRIVATE_FILE));
    if (isHalfDone(files, current)) {
      await publish(store, files, current);
      tell(`An earlier rotation had stopped half-way; its set ${current.serial} is published now.`);
      return;
    }
    const next = options.finish ? await finished(current, options) : withNewCommandKey(current);
    if (next === current) {
      tell("There is one command key only: there is no rotation to finish.");
      return;
    }
    await store.write([
      { file: PRIVATE_FILE, text: serialiseCommandKeys(next), replaces: need(files, PRIVATE_FILE) },
    ]);
    await publish(store, files, next);
    tell(outcome(next, options));
  });
}

/** Pure. The nodes that have proved who they are and are not known to trust this set of command keys. */
export function nodesBehind(
  nodes: readonly Pick<EdgeNode, "metadata" | "spec" | "status">[],
  serial: number,
): readonly string[] {
  return nodes
    .filter(({ spec, status }) => {
      const isMember = spec.publicKey !== undefined && !spec.disabled;
      // What is said there of a key that the EdgeNode names no more was another machine's word.
      const known = status.identity?.publicKey === spec.publicKey ? status.identity : undefined;
      return isMember && (known?.trustSerial ?? 0) < serial;
    })
    .map(({ metadata: { namespace, name } }) => `${namespace}/${name}`);
}

async function finished(current: CommandKeys, options: Options): Promise<CommandKeys> {
  const next = withNewestCommandKey(current);
  if (next === current || options.force) return next;
  await using transport = await openTransport(options.kubeconfig);
  const behind = nodesBehind(await listAll<EdgeNode>(transport, edgeNodes), current.serial);
  if (behind.length === 0) return next;
  const more = behind.length > MAX_NAMED ? ` and ${behind.length - MAX_NAMED} more` : "";
  throw new Error(
    `not yet: ${behind.slice(0, MAX_NAMED).join(", ")}${more} ${behind.length === 1 ? "is" : "are"} not known to ` +
      `trust the newest key (status.identity.trustSerial below ${current.serial}). Wait until they were heard of, ` +
      "disable or delete those that will not come back, or use --force",
  );
}

function isHalfDone(files: KeyFiles, current: CommandKeys): boolean {
  return parsePublicCommandKeys(need(files, PUBLIC_FILE)).serial < current.serial;
}

async function publish(store: KeyStore, files: KeyFiles, keys: CommandKeys): Promise<void> {
  const text = serialisePublicCommandKeys(publicHalfOf(keys));
  await store.write([{ file: PUBLIC_FILE, text, replaces: need(files, PUBLIC_FILE) }]);
}

function need(files: KeyFiles, file: KeyFile): string {
  const text = files.get(file);
  if (text === undefined) throw new KeySetError(file, "is missing: run steward bootstrap first");
  return text;
}

function outcome({ serial, pairs }: CommandKeys, { finish }: Options): string {
  if (finish) return `Commands are signed with the newest key only (set ${serial}).`;
  return (
    `Commands are signed with ${pairs.length} keys (set ${serial}) once the controller has read them. When nodes ` +
    "have heard of that, end the rotation: steward rotate-command-key --finish"
  );
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}
