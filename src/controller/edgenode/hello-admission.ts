import { objectKey } from "../../api/meta.ts";
import { MAX_ENVELOPE_AGE_MS } from "../../protocol/command.ts";
import type { Hello, HelloReply } from "../../protocol/hello.ts";
import { commonVersion, PROTOCOL } from "../../protocol/version.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { Semaphore } from "../../runtime/semaphore.ts";
import type { NodeStore, StoreErrors } from "../ports.ts";
import { conflictMessage, notEnrolledMessage, type NodeDirectory } from "./directory.ts";

/** Nodes that are being registered; a whole fleet may say hello for the first time at once. */
export interface Registrations {
  /** By the key of the node. */
  readonly underWay: Map<string, Promise<void>>;
  readonly limit: Semaphore;
}

export interface HelloAdmissionOptions {
  readonly nodes: NodeStore;
  readonly errors: StoreErrors;
  readonly directory: NodeDirectory;
  /** Whether a node that nobody declared is registered by its hello. */
  readonly registerNodes: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registrations: Registrations;
}

export type RefusalReason = Extract<HelloReply, { accepted: false }>["reason"];

/** A hello that says when it was said. */
export type DatedHello = Hello & { readonly signedAt: string };

/** A hello that is answered with a refusal. */
export class HelloRefusedError extends Error {
  override readonly name = "HelloRefusedError";
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** Throws unless the node may come in; registers it if it is unknown and that is wanted. */
export async function admit(
  node: string,
  hello: Hello,
  options: HelloAdmissionOptions,
): Promise<DatedHello> {
  const { directory, nodes } = options;
  const dated = recent(hello, options.clock.now());
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
  if (owner?.spec.disabled === true) throw new HelloRefusedError("NotRegistered", DISABLED);
  const key = objectKey({ namespace: hello.namespace, name: node });
  if (nodes.get(key) === undefined) await registered(node, hello.namespace, options);
  return dated;
}

/** What an agent may have said long ago, or does not know the time of, is only answered with the time. */
function recent({ signedAt, ...hello }: Hello, now: number): DatedHello {
  if (signedAt === undefined) {
    throw new HelloRefusedError(
      "Stale",
      "payload.signedAt: say hello again, now that you know the time",
    );
  }
  const ageMs = now - Date.parse(signedAt);
  if (Math.abs(ageMs) > MAX_ENVELOPE_AGE_MS) {
    throw new HelloRefusedError("Stale", "payload.signedAt: too far from the controller's time");
  }
  return { ...hello, signedAt };
}

const DISABLED = "spec.disabled is true in the EdgeNode of this node.";

/** Why a node is not known by the key that it has, for who runs it. */
export function strangerMessage(
  node: { readonly namespace: string; readonly name: string },
  directory: NodeDirectory,
): string {
  const owner = directory.owner(node.name);
  if (owner?.spec.disabled === true) return DISABLED;
  if (owner?.spec.publicKey === undefined) return notEnrolledMessage(node);
  return `The EdgeNode of "${node.name}" names another key. ${notEnrolledMessage(node)}`;
}

/** A hello that is repeated while its node is being registered waits for the same registration. */
async function registered(
  node: string,
  namespace: string,
  options: HelloAdmissionOptions,
): Promise<void> {
  const { registrations } = options;
  const key = objectKey({ namespace, name: node });
  const registration =
    registrations.underWay.get(key) ??
    registrations.limit.run(() => register(node, namespace, options));
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
  { nodes, errors, registerNodes, directory, logger }: HelloAdmissionOptions,
): Promise<void> {
  if (!registerNodes) {
    throw new HelloRefusedError(
      "NotRegistered",
      `There is no EdgeNode "${name}" in namespace "${namespace}", and this controller registers none by itself.`,
    );
  }
  try {
    directory.observe(
      await nodes.create({ metadata: { name, namespace }, spec: { disabled: false } }),
    );
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
