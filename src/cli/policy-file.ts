import {
  closeSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  type BigIntStats,
} from "node:fs";
import { dirname } from "node:path";
import type { PolicySource, PolicyState } from "../agent/command-permits.ts";
import { DEFAULT_POLICY, type Policy } from "../agent/policy.ts";
import { errorMessage, systemErrorCode } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import { DEFAULT_POLICY_TEXT } from "./default-policy.ts";
import { parsePolicy, PolicyTextError } from "./policy-schema.ts";

const ROOT = 0n;
const WRITABLE_BY_OTHERS = 0o022n;
const MAX_BYTES = 262_144n;

export interface PolicyFileOptions {
  readonly path: string;
  /** The agent's own user. */
  readonly uid: number;
  readonly logger: Logger;
}

/**
 * The policy of a node, from its file. Where there is none yet, one is written with the default policy; if that cannot
 * be done, the default policy is in force until there is a file.
 */
export function openPolicyFile(options: PolicyFileOptions): PolicySource {
  const { path, logger } = options;
  const isWritten = isThere(path) || isDefaultWritten(path, logger);
  const file = new PolicyFile(options, isWritten);
  file.current();
  return file;
}

/**
 * INVARIANTS
 * - What is in force is what the file has at this moment. A file that is no policy, that others may have written to, or
 *   that is gone is never passed over: then there is no policy, and nothing is decided.
 */
class PolicyFile implements PolicySource {
  readonly #options: PolicyFileOptions;
  #isExpected: boolean;
  #last: { readonly key: string; readonly state: PolicyState } | undefined;

  /** `isExpected`: that there is no file is a problem. */
  constructor(options: PolicyFileOptions, isExpected: boolean) {
    this.#options = options;
    this.#isExpected = isExpected;
  }

  current(): PolicyState {
    const { path } = this.#options;
    try {
      const key = keyOf(statSync(path, { bigint: true }));
      this.#isExpected = true;
      return this.#last?.key === key ? this.#last.state : this.#noted(this.#read());
    } catch (thrown) {
      if (isMissing(thrown) && !this.#isExpected) return { policy: DEFAULT_POLICY };
      const problem = isMissing(thrown)
        ? `${path} is gone: put it back, or restart the agent to have the default policy written`
        : `${path} cannot be read: ${errorMessage(thrown)}`;
      return this.#noted({ key: problem, state: { problem } });
    }
  }

  /** By the descriptor, so that what is looked at and what is read is the same file. */
  #read(): { readonly key: string; readonly state: PolicyState } {
    const { path, uid } = this.#options;
    const fd = openSync(path, "r");
    try {
      const stats = fstatSync(fd, { bigint: true });
      const problem = unfitness(stats, uid);
      const key = keyOf(stats);
      return problem === undefined
        ? { key, state: parsed(readFileSync(fd, "utf8"), path) }
        : { key, state: { problem: `${path} ${problem}` } };
    } finally {
      closeSync(fd);
    }
  }

  #noted(found: { readonly key: string; readonly state: PolicyState }): PolicyState {
    const { path, logger } = this.#options;
    const isNews = this.#last?.key !== found.key;
    this.#last = found;
    if (!isNews) return found.state;
    if ("problem" in found.state) {
      const text = `commands are refused until the policy of this node is mended: ${found.state.problem}`;
      logger.error({ policy: path }, text);
    } else
      logger.info({ policy: path, ...summaryOf(found.state.policy) }, "the policy of this node");
    return found.state;
  }
}

function summaryOf({ defaultUser, rules }: Policy): object {
  return { defaultUser, rules: rules.map(({ name }) => name) };
}

function parsed(text: string, path: string): PolicyState {
  try {
    return { policy: parsePolicy(text, path) };
  } catch (thrown) {
    if (!(thrown instanceof PolicyTextError)) throw thrown;
    return { problem: thrown.message };
  }
}

/** Why nobody can rely on such a file, as what is said of it. */
function unfitness(stats: BigIntStats, uid: number): string | undefined {
  if (!stats.isFile()) return "is no file";
  if (stats.size > MAX_BYTES) return `has more than ${MAX_BYTES} bytes`;
  if (stats.uid !== ROOT && stats.uid !== BigInt(uid)) {
    return "must belong to root or to the agent's user: chown root it";
  }
  if ((stats.mode & WRITABLE_BY_OTHERS) !== 0n) {
    return "must not be writable by its group or by others: chmod go-w it";
  }
  return undefined;
}

/** Another one after each change of the content, the owner or the mode. */
function keyOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(":");
}

function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (thrown) {
    return !isMissing(thrown);
  }
}

function isMissing(thrown: unknown): boolean {
  return systemErrorCode(thrown) === "ENOENT";
}

/** Never over a file that somebody else has written meanwhile. */
function isDefaultWritten(path: string, logger: Logger): boolean {
  const draft = `${path}.new-${process.pid}`;
  try {
    const folder = dirname(path);
    if (!isThere(folder)) mkdirSync(folder, { mode: 0o755 });
    rmSync(draft, { force: true });
    // Never through a link that somebody else has put there.
    writeFileSync(draft, DEFAULT_POLICY_TEXT, { mode: 0o644, flag: "wx" });
    linkSync(draft, path);
    logger.info({ policy: path }, "wrote the default policy: it allows everything but root");
    return true;
  } catch (thrown) {
    const text = `the default policy is in force and cannot be written to its file: ${errorMessage(thrown)}`;
    logger.warn({ policy: path }, text);
    return isThere(path);
  } finally {
    rmSync(draft, { force: true });
  }
}
