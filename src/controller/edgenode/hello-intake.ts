import { objectKey } from "../../api/meta.ts";
import type { Bus, BusMessage } from "../../protocol/bus.ts";
import {
  decodeMessage,
  encodeReply,
  MalformedMessageError,
  UnsupportedVersionError,
  UntrustedMessageError,
} from "../../protocol/envelope.ts";
import {
  helloMessage,
  helloReplyMessage,
  type Hello,
  type HelloReply,
} from "../../protocol/hello.ts";
import { ANYONE } from "../../protocol/signature.ts";
import { isReplyTo, nodeInbox } from "../../protocol/subjects.ts";
import { timestampOf } from "../../runtime/clock.ts";
import { errorMessage } from "../../runtime/errors.ts";
import { subscribeToEvents } from "../node-events.ts";
import { keyOf, type NodeSecurity } from "../node-security.ts";
import type { Rejections } from "../rejections.ts";
import type { ControllerSecurity } from "../security.ts";
import { twinsMessage } from "./directory.ts";
import type { ForeignNodes } from "./foreign-nodes.ts";
import {
  admit,
  HelloRefusedError,
  strangerMessage,
  type DatedHello,
  type HelloAdmissionOptions,
  type RefusalReason,
} from "./hello-admission.ts";
import { rollbackMessage } from "./ledgers.ts";
import type { NodeRegistry } from "./registry.ts";

export interface HelloIntakeOptions extends HelloAdmissionOptions {
  readonly registry: NodeRegistry;
  readonly rejections: Rejections;
  readonly foreignNodes: ForeignNodes;
  readonly security: NodeSecurity;
  /** What nodes are told to trust. */
  readonly commandKeys: () => ControllerSecurity;
  readonly clusterID: string;
  readonly namespace?: string | undefined;
  /** A node said hello: its EdgeNode, and the runs that it does not name, are due. */
  readonly onHello: (key: string, hello: Hello) => void;
  /** A node was refused for what its EdgeNode has to say: that is due. */
  readonly onRefused: (key: string) => void;
}

/** Takes hellos off the wire: registers nodes, keeps the registry, tells the agents the time. */
export function subscribeToHellos(bus: Bus, options: HelloIntakeOptions): () => void {
  return subscribeToEvents(bus, "hello", options.rejections, (node, message) => {
    void take(node, message, options);
  });
}

/** `undefined` in place of a reason: it is accepted. */
type Verdict = { readonly reason: RefusalReason; readonly message: string } | "accepted";

async function take(node: string, message: BusMessage, options: HelloIntakeOptions): Promise<void> {
  const verdict = await verdictOn(node, message, options);
  if (verdict === undefined || !isReplyTo(nodeInbox(node), message.reply)) return;
  const { signers } = options.security;
  const reply = replyOf(verdict, options);
  message.respond(encodeReply(helloReplyMessage, reply, { request: message.data, signers }));
}

function replyOf(verdict: Verdict, options: HelloIntakeOptions): HelloReply {
  const keys = options.commandKeys();
  const told = {
    time: timestampOf(options.clock.now()),
    clusterID: options.clusterID,
    ...(keys === "insecure" ? {} : { commandKeys: keys.set }),
  };
  if (verdict === "accepted") return { ...told, accepted: true };
  const { reason, message } = verdict;
  return { ...told, accepted: false, reason, message: message.slice(0, 1024) };
}

/** Undefined for what another controller has to answer. */
async function verdictOn(
  node: string,
  message: BusMessage,
  options: HelloIntakeOptions,
): Promise<Verdict | undefined> {
  try {
    const hello = decodeMessage(helloMessage, message.data, options.security.trustOf(node));
    if (isForAnother(node, hello, options)) return undefined;
    if (hello.node !== node) throw new MalformedMessageError(OF_ANOTHER);
    hear(node, await admit(node, hello, options), options);
    return "accepted";
  } catch (thrown) {
    if (thrown instanceof UntrustedMessageError) {
      return verdictOnStranger(node, message, thrown, options);
    }
    const refusal = refusalFor(thrown);
    // The first of each agent is, and what is a minute old is no attack.
    if (refusal.reason !== "Stale") {
      options.rejections.note(message.subject, `${refusal.reason}: ${refusal.message}`);
    }
    return refusal;
  }
}

const OF_ANOTHER = "payload.node: not the node that the subject names";

/** Of another controller's namespace or cluster: answering would send its node astray. */
function isForAnother(node: string, hello: Hello, options: HelloIntakeOptions): boolean {
  const { namespace, clusterID, foreignNodes } = options;
  if (namespace !== undefined && namespace !== hello.namespace) return true;
  if (hello.clusterID === undefined || hello.clusterID === clusterID) return false;
  foreignNodes.note(node, hello.clusterID, clusterID);
  return true;
}

/** Nobody vouches for what it says: it is read to see whom it is for, and for nothing else. */
function verdictOnStranger(
  node: string,
  { data, subject }: BusMessage,
  error: UntrustedMessageError,
  options: HelloIntakeOptions,
): Verdict | undefined {
  try {
    const hello = decodeMessage(helloMessage, data, ANYONE);
    if (isForAnother(node, hello, options)) return undefined;
    options.rejections.refuse({ node, subject, error });
    const { namespace } = hello;
    const message = strangerMessage({ namespace, name: node }, options.directory);
    return { reason: "NotRegistered", message };
  } catch (thrown) {
    if (!(thrown instanceof MalformedMessageError)) throw thrown;
    options.rejections.refuse({ node, subject, error });
    return refusalFor(thrown);
  }
}

/** Throws if nothing may follow from it: then it counts as not heard. */
function hear(name: string, hello: DatedHello, options: HelloIntakeOptions): void {
  const { nodes, registry, directory, clock, onHello, onRefused } = options;
  const key = objectKey({ namespace: hello.namespace, name });
  const node = nodes.get(key);
  const verdict = registry.judge(name, hello, clock.monotonic());
  if (verdict === "old") return;
  if (verdict === "conflict") {
    onRefused(key);
    throw new HelloRefusedError("IdentityConflict", twinsMessage(name));
  }
  const isSigned = options.commandKeys() !== "insecure";
  const publicKey = isSigned ? keyOf(node) : undefined;
  registry.heard(name, hello, clock.monotonic(), {
    ...(node === undefined ? {} : { status: node.status }),
    publicKey,
  });
  const rollback = node && directory.rollback(node);
  if (rollback === undefined) {
    onHello(key, hello);
    return;
  }
  onRefused(key);
  throw new HelloRefusedError("LedgerRolledBack", rollbackMessage(rollback));
}

function refusalFor(thrown: unknown): { reason: RefusalReason; message: string } {
  const message = errorMessage(thrown);
  if (thrown instanceof HelloRefusedError) return { reason: thrown.reason, message };
  if (thrown instanceof UnsupportedVersionError) return { reason: "UnsupportedVersion", message };
  if (thrown instanceof MalformedMessageError) return { reason: "Malformed", message };
  return { reason: "Unavailable", message };
}
