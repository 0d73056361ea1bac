import type { UserPermissionsLimits } from "@nats-io/jwt";

/**
 * What each kind of NATS user may say and hear: allow-lists only, since a deny-list forgets. What is not here is
 * refused by the broker. The subjects are those of protocol/subjects.ts (a test holds them together).
 */

export type UserGrant = Pick<
  UserPermissionsLimits,
  "pub" | "sub" | "subs" | "data" | "payload" | "allowed_connection_types"
> &
  // One that is there and says 0 stands for the broker's default, which is not 0.
  Partial<Pick<UserPermissionsLimits, "resp">>;

/** As in JWTs: for as many as one likes, of whatever size. */
const UNLIMITED = -1;
const SECOND_NS = 1_000_000_000;
const MEBIBYTE = 1_048_576;

/** The broker puts the name that is in the user's JWT here: that of its node. */
const NODE = "{{name()}}";

/**
 * Of every node, in the scope of the key that signs its JWT. A node answers a command within a minute, once; the
 * inbox has the form of the client's one subscription for all replies. Two subscriptions are what an agent has.
 */
export const NODE_GRANT: UserGrant = {
  pub: {
    allow: ["hello", "result", "error", "enroll"].map((event) => `${NODE}.event.${event}`),
    deny: [],
  },
  sub: { allow: [`${NODE}.command.*`, `_INBOX_${NODE}.*.*`], deny: [] },
  resp: { max: 1, ttl: 60 * SECOND_NS },
  subs: 8,
  data: UNLIMITED,
  payload: MEBIBYTE,
  allowed_connection_types: ["STANDARD", "WEBSOCKET"],
};

/**
 * Of the controller in the fleet's account. It answers what nodes ask, once each, and takes its time over a receipt:
 * the result must be in etcd first. A connection subscribes to each subject once: the broker counts a request that it
 * delivers twice as answered.
 */
export const CONTROLLER_GRANT: UserGrant = {
  pub: { allow: ["*.command.*"], deny: [] },
  sub: {
    allow: [
      ...["hello", "result", "error", "enroll"].map((event) => `*.event.${event}`),
      "_INBOX_CONTROLLER.*.*",
    ],
    deny: [],
  },
  resp: { max: 1, ttl: 600 * SECOND_NS },
  subs: 64,
  data: UNLIMITED,
  payload: UNLIMITED,
  allowed_connection_types: ["STANDARD", "WEBSOCKET"],
};

/**
 * Of whoever wants to be enrolled. One user for all of them, without a secret: they can hear each other's replies,
 * in which there is nothing that is of use without the key of the node that asked.
 */
export const ENROLLMENT_GRANT: UserGrant = {
  pub: { allow: ["*.event.enroll"], deny: [] },
  sub: { allow: ["_INBOX_ENROLL.*.*"], deny: [] },
  subs: 2,
  data: UNLIMITED,
  payload: 16_384,
  allowed_connection_types: ["STANDARD", "WEBSOCKET"],
};

/**
 * Of the controller in the system account: hand the broker the fleet account's JWT, read back what it has, ask who
 * is connected in that account, and hear who comes and goes.
 */
export function systemGrant(fleetAccount: string): UserGrant {
  return {
    pub: {
      allow: [
        "$SYS.REQ.CLAIMS.UPDATE",
        `$SYS.REQ.ACCOUNT.${fleetAccount}.CLAIMS.LOOKUP`,
        `$SYS.REQ.ACCOUNT.${fleetAccount}.CONNZ`,
      ],
      deny: [],
    },
    sub: {
      allow: [
        `$SYS.ACCOUNT.${fleetAccount}.CONNECT`,
        `$SYS.ACCOUNT.${fleetAccount}.DISCONNECT`,
        // A request to several servers has an inbox of its own.
        "_INBOX_CONTROLLER.>",
      ],
      deny: [],
    },
    subs: 16,
    data: UNLIMITED,
    payload: UNLIMITED,
    allowed_connection_types: ["STANDARD", "WEBSOCKET"],
  };
}
