import type {
  ConnectedUser,
  IdentityPorts,
  RevokedAt,
  Revocations,
} from "../../../../src/controller/identity/ports.ts";
import type { Clock } from "../../../../src/runtime/clock.ts";

export const LIFETIME_MS = 30 * 86_400_000;

interface Minted {
  readonly node: string;
  readonly publicKey: string;
  /** Unix time in seconds. */
  readonly issuedAt: number;
}

/** The broker's side of identities, and the record of what is revoked, in memory. */
export class FakeBroker {
  readonly #clock: Clock;
  connected: ConnectedUser[] = [];
  readonly minted: Minted[] = [];
  pushes = 0;
  lookups = 0;
  pushed: RevokedAt = {};
  isOurs = true;
  record: Revocations = new Map();
  /** What fails: nothing unless told. */
  failing: "nothing" | "broker" | "record" = "nothing";

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the broker lets in what was minted last for a key. */
  letsIn(publicKey: string): boolean {
    const latest = this.minted.findLast((each) => each.publicKey === publicKey);
    return latest !== undefined && latest.issuedAt > (this.pushed[publicKey] ?? 0);
  }

  ports(): IdentityPorts {
    return {
      lifetimeMs: LIFETIME_MS,
      credentials: {
        mint: async ({ node, publicKey }) => {
          const issuedAt = Math.floor(this.#clock.now() / 1_000);
          this.minted.push({ node, publicKey, issuedAt });
          return Promise.resolve({ jwt: `jwt-of-${node}`, issuedAt: issuedAt * 1_000 });
        },
        now: () => this.#clock.now(),
      },
      account: {
        ownUsers: ["controller"],
        pushed: async () => {
          this.#failIf("broker");
          this.lookups += 1;
          return Promise.resolve({ revokedAt: this.pushed, isOurs: this.isOurs });
        },
        push: async (revokedAt) => {
          this.#failIf("broker");
          this.pushes += 1;
          this.pushed = revokedAt;
          this.isOurs = true;
          this.connected = this.connected.filter(({ publicKey }) => !(publicKey in revokedAt));
          return Promise.resolve();
        },
        connectedUsers: async () => Promise.resolve(this.connected),
      },
      revocations: {
        load: async () => Promise.resolve(this.record),
        save: async (revocations) => {
          this.#failIf("record");
          this.record = revocations;
          return Promise.resolve();
        },
      },
    };
  }

  #failIf(what: "broker" | "record"): void {
    if (this.failing === what) throw new Error(`${what}: injected`);
  }
}
