import { mintNodeCredentials } from "../../../dev/controlplane/nats-access.ts";
import { IdentityDirectory } from "../../../src/agent/identity-directory.ts";
import { encodeJoinToken } from "../../../src/identity/join-token.ts";
import { serialiseNodeTrust, type NodeTrust } from "../../../src/identity/node-trust.ts";
import { readJwt } from "../../../src/identity/user-jwt.ts";
import type { Bus, BusMessage } from "../../../src/protocol/bus.ts";
import {
  enrollMessage,
  enrollReplyMessage,
  type Enroll,
  type EnrollRefusal,
  type EnrollReply,
} from "../../../src/protocol/enroll.ts";
import { decodeMessage, encodeReply } from "../../../src/protocol/envelope.ts";
import { eventsOfAllNodes } from "../../../src/protocol/subjects.ts";
import { TRUST_IN_NODE } from "../../support/agent-security.ts";
import {
  CONTROLLER_KEY,
  CONTROLLER_SIGNERS,
  NODE_KEY,
  TOKEN_KEY,
} from "../../support/test-keys.ts";
import { CLUSTER_ID } from "../../unit/agent/controller-side.ts";
import type { SecureBroker } from "../nats/secure-world.ts";

export const NODE = "ship1";
const COMMAND_KEYS = { serial: 1, keys: [CONTROLLER_KEY.publicKey] };

/** What a node of the tests' controller knows, at a broker. */
function trustOf({ server, access }: SecureBroker): NodeTrust {
  return {
    servers: [server.url],
    node: NODE,
    namespace: "default",
    clusterID: CLUSTER_ID,
    ca: access.ca,
    commandKeys: COMMAND_KEYS,
    enrollmentJwt: access.enrollment.jwt,
  };
}

/** A token of TOKEN_KEY. */
export function tokenOf(broker: SecureBroker, overrides: Partial<NodeTrust> = {}): string {
  return encodeJoinToken({ ...trustOf(broker), ...overrides, seed: TOKEN_KEY.seed });
}

/** What a machine has that has joined with NODE_KEY. */
export async function writeIdentity(
  dataDir: string,
  broker: SecureBroker,
  { lifeMs = 3_600_000 } = {},
): Promise<void> {
  const directory = new IdentityDirectory(dataDir);
  const { jwt } = await mintNodeCredentials(broker.keysDir, NODE, { key: NODE_KEY, lifeMs });
  await directory.write("node.seed", NODE_KEY.seed);
  await directory.write("node.jwt", jwt);
  await directory.write("trust.json", serialiseNodeTrust(trustOf(broker)));
}

/** The part of a controller that enrolls nodes: here it approves of NODE_KEY, unless `refusal` says why not. */
export class EnrollmentDesk {
  readonly requests: Enroll[] = [];
  refusal: EnrollRefusal | undefined;
  readonly #broker: SecureBroker;

  constructor(bus: Bus, broker: SecureBroker) {
    this.#broker = broker;
    bus.subscribe(eventsOfAllNodes("enroll"), (message) => {
      void this.#enroll(message);
    });
  }

  async #enroll(message: BusMessage): Promise<void> {
    const request = decodeMessage(enrollMessage, message.data, TRUST_IN_NODE);
    this.requests.push(request);
    const answers = { request: message.data, signers: CONTROLLER_SIGNERS };
    message.respond(encodeReply(enrollReplyMessage, await this.#reply(request), answers));
  }

  async #reply(request: Enroll): Promise<EnrollReply> {
    const { refusal } = this;
    if (refusal !== undefined) return { enrolled: false, reason: refusal, message: `${refusal}!` };
    const { jwt } = await mintNodeCredentials(this.#broker.keysDir, request.node, {
      key: NODE_KEY,
    });
    const { issuedAt, expiresAt = 0 } = readJwt(jwt);
    return {
      enrolled: true,
      time: new Date().toISOString(),
      clusterID: CLUSTER_ID,
      jwt,
      issuedAt: new Date(issuedAt).toISOString(),
      expiresAt: new Date(expiresAt).toISOString(),
      commandKeys: COMMAND_KEYS,
    };
  }
}
