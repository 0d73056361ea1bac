import { objectKey } from "../../api/meta.ts";
import type { Bus, BusMessage } from "../../protocol/bus.ts";
import {
  decodeMessage,
  encodeMessage,
  MalformedMessageError,
  UnsupportedVersionError,
} from "../../protocol/envelope.ts";
import {
  helloMessage,
  helloReplyMessage,
  type Hello,
  type HelloReply,
} from "../../protocol/hello.ts";
import { isReplyTo, nodeInbox } from "../../protocol/subjects.ts";
import { commonVersion, PROTOCOL } from "../../protocol/version.ts";
import { timestampOf, type Clock } from "../../runtime/clock.ts";
import { errorMessage } from "../../runtime/errors.ts";
import type { Semaphore } from "../../runtime/semaphore.ts";
import type { Logger } from "../../runtime/logger.ts";
import { subscribeToEvents } from "../node-events.ts";
import type { NodeStore, StoreErrors } from "../ports.ts";
import type { Rejections } from "../rejections.ts";
import { conflictMessage, type NodeDirectory } from "./directory.ts";
import type { ForeignNodes } from "./foreign-nodes.ts";
import { rollbackMessage } from "./ledgers.ts";
import type { NodeRegistry } from "./registry.ts";

/** Nodes that are being registered; a whole fleet may say hello for the first time at once. */
export interface Registrations {
  /** By the key of the node. */
  readonly underWay: Map<string, Promise<void>>;
  readonly limit: Semaphore;
}

export interface HelloIntakeOptions {
  readonly nodes: NodeStore;
  readonly errors: StoreErrors;
  readonly directory: NodeDirectory;
  readonly registry: NodeRegistry;
  readonly rejections: Rejections;
  readonly foreignNodes: ForeignNodes;
  /** Whether a node that nobody declared is registered by its hello. */
  readonly registerNodes: boolean;
  readonly clusterID: string;
  readonly namespace?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registrations: Registrations;
  /** A node said hello: its EdgeNode, and the runs that it does not name, are due. */
  readonly onHello: (key: string, hello: Hello) => void;
  /** A node was refused for what its EdgeNode has to say: that is due. */
  readonly onRefused: (key: string) => void;
}

type RefusalReason = Extract<HelloReply, { accepted: false }>["reason"];

/** A hello that is answered with a refusal. */
class HelloRefusedError extends Error {
  override readonly name = "HelloRefusedError";
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** Takes hellos off the wire: registers nodes, keeps the registry, tells the agents the time. */
export function subscribeToHellos(bus: Bus, options: HelloIntakeOptions): () => void {
  return subscribeToEvents(bus, "hello", options.rejections, (node, message) => {
    void take(node, message, options);
  });
}

async function take(node: string, message: BusMessage, options: HelloIntakeOptions): Promise<void> {
  const reply = await replyTo(node, message, options);
  if (reply !== undefined && isReplyTo(nodeInbox(node), message.reply)) {
    message.respond(encodeMessage(helloReplyMessage, reply));
  }
}

async function replyTo(
  node: string,
  message: BusMessage,
  options: HelloIntakeOptions,
): Promise<HelloReply | undefined> {
  try {
    const hello = decodeMessage(helloMessage, message.data);
    if (isForAnother(node, hello, options)) return undefined;
    const cameAt = options.clock.monotonic();
    await admit(node, hello, options);
    // While it waited for a registration a later one may have been heard: then it is no news.
    const isOvertaken = (options.registry.get(node)?.lastSeen ?? -Infinity) > cameAt;
    if (!isOvertaken) hear(node, hello, options);
    const time = timestampOf(options.clock.now());
    return { accepted: true, time, clusterID: options.clusterID };
  } catch (thrown) {
    const refusal = refusalFor(thrown);
    options.rejections.note(message.subject, `${refusal.reason}: ${refusal.message}`);
    return { accepted: false, reason: refusal.reason, message: refusal.message.slice(0, 1024) };
  }
}

/** Of another controller's namespace or cluster: answering would send its node astray. */
function isForAnother(node: string, hello: Hello, options: HelloIntakeOptions): boolean {
  const { namespace, clusterID, foreignNodes } = options;
  if (namespace !== undefined && namespace !== hello.namespace) return true;
  if (hello.clusterID === undefined || hello.clusterID === clusterID) return false;
  foreignNodes.note(node, hello.clusterID, clusterID);
  return true;
}

/** Throws if the node's ledger is an earlier copy: then it counts as not heard. */
function hear(name: string, hello: Hello, options: HelloIntakeOptions): void {
  const { nodes, registry, directory, clock, onHello, onRefused } = options;
  const key = objectKey({ namespace: hello.namespace, name });
  const node = nodes.get(key);
  registry.heard(name, hello, clock.monotonic(), node?.status);
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

/** Throws unless the node may come in; registers it if it is unknown and that is wanted. */
async function admit(node: string, hello: Hello, options: HelloIntakeOptions): Promise<void> {
  const { directory, nodes } = options;
  if (commonVersion(hello.protocol, PROTOCOL) === undefined) {
    const { min, max } = hello.protocol;
    throw new HelloRefusedError(
      "UnsupportedVersion",
      `The agent speaks protocol versions ${min} to ${max}, the controller ${PROTOCOL.min} to ${PROTOCOL.max}.`,
    );
  }
  const owner = directory.owner(node);
  if (owner !== undefined && owner.metadata.namespace !== hello.namespace) {
    throw new HelloRefusedError("NameConflict", conflictMessage(node));
  }
  const key = objectKey({ namespace: hello.namespace, name: node });
  if (nodes.get(key) !== undefined) return;
  // A hello that is repeated while its node is being registered waits for the same registration.
  const { registrations } = options;
  const registration =
    registrations.underWay.get(key) ??
    registrations.limit.run(() => register(node, hello.namespace, options));
  registrations.underWay.set(key, registration);
  try {
    await registration;
  } finally {
    registrations.underWay.delete(key);
  }
}

async function register(
  name: string,
  namespace: string,
  { nodes, errors, registerNodes, directory, logger }: HelloIntakeOptions,
): Promise<void> {
  if (!registerNodes) {
    throw new HelloRefusedError(
      "NotRegistered",
      `There is no EdgeNode "${name}" in namespace "${namespace}", and this controller registers none by itself.`,
    );
  }
  try {
    directory.observe(await nodes.create({ metadata: { name, namespace } }));
    logger.info({ node: name, namespace }, "node registered");
  } catch (thrown) {
    if (errors.isAlreadyExists(thrown)) {
      const live = await nodes.getLive(namespace, name);
      if (live !== undefined) directory.observe(live);
      return;
    }
    if (!errors.isNotFound(thrown)) throw thrown;
    throw new HelloRefusedError("NamespaceNotFound", `There is no namespace "${namespace}".`, {
      cause: thrown,
    });
  }
}
