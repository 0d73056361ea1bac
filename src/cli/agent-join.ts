import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { enroll, type EnrollOutcome } from "../agent/enrollment.ts";
import { IdentityDirectory, IdentityError } from "../agent/identity-directory.ts";
import { NodeIdentity, readOrMakeKeys, readTrust } from "../agent/node-identity.ts";
import { untilConnected } from "../agent/until-connected.ts";
import { decodeJoinToken } from "../identity/join-token.ts";
import { newKeyPair } from "../identity/key-pair.ts";
import { serialiseNodeTrust, type NodeTrust } from "../identity/node-trust.ts";
import type { EnrollRefusal } from "../protocol/enroll.ts";
import { backoffMs } from "../runtime/backoff.ts";
import { systemClock as clock, timestampOf } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import { openEnrollmentBus } from "./agent-enrollment.ts";
import { agentJoinProgram } from "./agent-join-options.ts";
import type { Compiled } from "./program.ts";
import { EXIT_FAILURE, readOptions } from "./start.ts";

type Options = Compiled<typeof agentJoinProgram.options>;

const RETRY = { initialMs: 1_000, maxMs: 15_000 };
/**
 * What no waiting mends. Who has a token was expected before it was made; who has none may have to wait until the
 * node's key is declared.
 */
const FINAL: ReadonlySet<EnrollRefusal> = new Set(["Malformed", "UnsupportedVersion"]);
const FINAL_WITH_TOKEN: ReadonlySet<EnrollRefusal> = new Set([
  ...FINAL,
  "NotEnrolled",
  "KeyNotApproved",
  "TokenExpired",
]);

/** `steward agent join`. Resolves to the exit status: 1 also if the node is not enrolled yet. */
export async function runAgentJoin(argv: readonly string[]): Promise<number> {
  const read = readOptions(agentJoinProgram, argv);
  if (typeof read === "number") return read;
  try {
    const identity = await join(read.options);
    const outcome = await enrollInTime(identity, read.options.timeoutMs);
    return tellEnd(identity, outcome, read.options);
  } catch (thrown) {
    say(`${agentJoinProgram.command}: ${errorMessage(thrown)}`);
    return EXIT_FAILURE;
  }
}

/** Writes down what the token says. Throws a JoinTokenError or an IdentityError. */
async function join({ token: text, dataDir, newKey }: Options): Promise<NodeIdentity> {
  const { seed, ...told } = decodeJoinToken(text);
  const directory = new IdentityDirectory(dataDir);
  const known = await readTrust(directory);
  if (known !== undefined) mustBeTheSame(known, told, dataDir);
  if (newKey) await directory.write("node.seed", newKeyPair("user").seed);
  const keys = await readOrMakeKeys(directory);
  if (seed === undefined) await directory.remove("token.seed");
  else await directory.write("token.seed", seed);
  await directory.write("trust.json", serialiseNodeTrust(withNewerKeys(told, known)));
  const identity = await NodeIdentity.open(directory);
  if (identity === undefined) throw new IdentityError(`${directory.path} is gone`);
  say(`This machine is the node ${told.node} of namespace ${told.namespace}.`);
  say(`Its public key is ${keys.node.publicKey}`);
  return identity;
}

function mustBeTheSame(known: NodeTrust, told: NodeTrust, dataDir: string): void {
  const same = (["node", "namespace", "clusterID"] as const).every(
    (field) => known[field] === told[field],
  );
  if (same) return;
  throw new IdentityError(
    `this machine has joined already, as node ${known.node} of namespace ${known.namespace} of cluster ` +
      `${known.clusterID}: to make it node ${told.node} of namespace ${told.namespace} of cluster ` +
      `${told.clusterID}, stop its agent and remove ${dataDir} with all that it knows of what has run`,
  );
}

/** The node may have learned of newer ones than the token has. */
function withNewerKeys(told: NodeTrust, known: NodeTrust | undefined): NodeTrust {
  const isNewer = known !== undefined && known.commandKeys.serial > told.commandKeys.serial;
  return isNewer ? { ...told, commandKeys: known.commandKeys } : told;
}

async function enrollInTime(identity: NodeIdentity, timeoutMs: number): Promise<EnrollOutcome> {
  const signal = AbortSignal.timeout(timeoutMs);
  const { servers } = identity.known;
  say(`Asking to be enrolled at ${servers.join(", ")} …`);
  await using bus = openEnrollmentBus(identity.known, progressLogger);
  let last: EnrollOutcome = { kind: "unanswered", message: "the broker cannot be reached" };
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    if (!(await untilConnected(bus, { clock, ms: timeoutMs }, signal))) continue;
    const outcome = await enroll({ identity, bus, newID: randomUUID }, signal);
    if (outcome.kind === "enrolled" || isFinal(outcome, identity)) return outcome;
    // What was cut short by the end of the time says less than what was there before.
    if (signal.aborted) return attempt === 0 ? outcome : last;
    if (attempt === 0 || outcome.message !== last.message) say(`Not yet: ${outcome.message}`);
    last = outcome;
    await sleep(backoffMs(RETRY, attempt, Math.random), undefined, { signal }).catch(() => {});
  }
  return last;
}

function tellEnd(identity: NodeIdentity, outcome: EnrollOutcome, { dataDir }: Options): number {
  const agent = `steward agent --data-dir ${dataDir}`;
  if (outcome.kind === "enrolled") {
    const expiresAt = identity.credentialFacts?.expiresAt;
    say(`Enrolled${expiresAt === undefined ? "" : ` until ${timestampOf(expiresAt)}`}.`);
    say(`Now start, or restart, the agent: ${agent}`);
    return 0;
  }
  say(`Not enrolled: ${outcome.message}`);
  say(
    isFinal(outcome, identity)
      ? "Join again with a new token; what is here is kept."
      : `Everything is kept: ${agent} goes on with it, or run this again.`,
  );
  return EXIT_FAILURE;
}

function isFinal(outcome: EnrollOutcome, { token }: NodeIdentity): boolean {
  const final = token === undefined ? FINAL : FINAL_WITH_TOKEN;
  return outcome.kind === "refused" && final.has(outcome.reason);
}

/** For the person at the terminal. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

const progressLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (fields, message) => say(reasonIn(fields, message)),
  error: (fields, message) => say(reasonIn(fields, message)),
  child: () => progressLogger,
};

function reasonIn(fields: object, message: string): string {
  return "reason" in fields ? `${message}: ${String(fields.reason)}` : message;
}
