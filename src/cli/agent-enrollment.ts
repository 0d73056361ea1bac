import type { EnrollmentBus } from "../agent/credentials.ts";
import type { NodeTrust } from "../identity/node-trust.ts";
import { connectBus } from "../nats/connect-bus.ts";
import { ENROLLMENT_INBOX } from "../protocol/subjects.ts";
import { systemClock as clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";

/** Connects to the broker of a cluster as one who may ask to be enrolled, and nothing else. */
export function openEnrollmentBus(
  {
    servers,
    node,
    ca,
    enrollmentJwt,
  }: Pick<NodeTrust, "servers" | "node" | "ca" | "enrollmentJwt">,
  logger: Logger,
): EnrollmentBus {
  return connectBus({
    servers,
    name: `steward-agent ${node} (enrolling)`,
    inbox: ENROLLMENT_INBOX,
    credentials: () => ({ jwt: enrollmentJwt }),
    ca: () => ca,
    clock,
    random: Math.random,
    logger: logger.child({ enrolling: true }),
  });
}
