import { isJwtBy } from "../identity/user-jwt.ts";
import type { RequestOutcome } from "../protocol/bus.ts";
import type { NatsBus } from "./connect-bus.ts";
import { parseAnswer, type ConnectedUser, type ConnectionsPage } from "./account-answers.ts";

export interface AccountOptions {
  /** A connection of a user of the system account. */
  readonly bus: Pick<NatsBus, "request" | "requestMany">;
  /** Public key of the account that is looked after. */
  readonly account: string;
  /** Public keys that sign the JWTs of its users. Whom none of them has signed, the broker has made up. */
  readonly issuers: readonly string[];
  /** Connections that a server describes in one message; a connection takes less than 3 KB, a message 1 MB. */
  readonly pageSize?: number;
}

/** The broker could not be asked, or said no. `message` says what was asked and why it failed. */
export class AccountError extends Error {
  override readonly name = "AccountError";
}

const TIMEOUT_MS = 10_000;
const PAGE_SIZE = 256;
/** A broker may say that there are more for ever. */
const MAX_PAGES = 1_024;

const REASONS = {
  noResponders: "the broker is not in operator mode with a full resolver",
  timeout: "no answer in time",
  disconnected: "no connection, or not allowed",
} as const;

/** What the broker knows of an account, asked and told over the system account. */
export class NatsAccount {
  readonly #bus: AccountOptions["bus"];
  readonly #account: string;
  readonly #issuers: readonly string[];
  readonly #pageSize: number;

  constructor({ bus, account, issuers, pageSize = PAGE_SIZE }: AccountOptions) {
    this.#issuers = issuers;
    this.#pageSize = pageSize;
    this.#bus = bus;
    this.#account = account;
  }

  /**
   * Has the broker take over the account's JWT, durably; what it revokes is dropped at once, and may not come back.
   * Servers of a cluster tell each other. Throws an AccountError.
   */
  async push(jwt: string): Promise<void> {
    const what = "updating the account's JWT";
    const reply = await this.#ask("$SYS.REQ.CLAIMS.UPDATE", jwt.trim(), what);
    const { code, refusal } = parseAnswer(reply) ?? {};
    if (refusal !== undefined) throw new AccountError(`${what}: ${refusal}`);
    if (code !== 200) throw new AccountError(`${what}: the broker answered ${reply.slice(0, 200)}`);
  }

  /** The account's JWT that the broker has; undefined if it has none. Throws an AccountError. */
  async lookup(): Promise<string | undefined> {
    const subject = `$SYS.REQ.ACCOUNT.${this.#account}.CLAIMS.LOOKUP`;
    const jwt = await this.#ask(subject, "", "looking up the account's JWT");
    return jwt === "" ? undefined : jwt;
  }

  /**
   * Who is connected in the account, once for each connection, on all servers that answer. Bearers of a JWT that
   * needs no key are left out, and whoever comes or goes meanwhile may be missing. Throws an AccountError.
   */
  async connectedUsers(): Promise<readonly ConnectedUser[]> {
    const users: ConnectedUser[] = [];
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const offset = page * this.#pageSize;
      const pages = await this.#connections(offset);
      const listed = pages.flatMap((each) => each.users);
      const genuine = listed.filter(({ jwt }) => isJwtBy(this.#issuers, jwt));
      users.push(...genuine.map(({ name, publicKey }) => ({ name, publicKey })));
      if (pages.every(({ total }) => total <= offset + this.#pageSize)) break;
    }
    return users;
  }

  /** A page of each server. */
  async #connections(offset: number): Promise<readonly ConnectionsPage[]> {
    const what = "asking who is connected";
    const subject = `$SYS.REQ.ACCOUNT.${this.#account}.CONNZ`;
    const request = JSON.stringify({ auth: true, offset, limit: this.#pageSize });
    const options = { timeoutMs: TIMEOUT_MS };
    const replies = await this.#bus.requestMany(subject, Buffer.from(request), options);
    if (replies === undefined) throw new AccountError(`${what}: no connection, or not allowed`);
    const pages = replies.flatMap(
      (reply) => parseAnswer(Buffer.from(reply).toString())?.page ?? [],
    );
    if (pages.length === 0) throw new AccountError(`${what}: no server answered`);
    return pages;
  }

  async #ask(subject: string, text: string, what: string): Promise<string> {
    const options = { timeoutMs: TIMEOUT_MS };
    const outcome = await this.#bus.request(subject, Buffer.from(text), options);
    if (outcome.kind !== "reply") throw new AccountError(`${what}: ${reasonOf(outcome)}`);
    return Buffer.from(outcome.data).toString();
  }
}

function reasonOf(outcome: Exclude<RequestOutcome, { readonly kind: "reply" }>): string {
  if (outcome.kind === "tooLarge") return `larger than the ${outcome.maxBytes} bytes of a message`;
  return REASONS[outcome.kind];
}
