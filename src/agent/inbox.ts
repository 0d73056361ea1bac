import { ackMessage, type Ack, type Refusal } from "../protocol/ack.ts";
import type { Bus, BusMessage } from "../protocol/bus.ts";
import { commandMessage, type Command } from "../protocol/command.ts";
import {
  decodeMessage,
  encodeReply,
  MalformedMessageError,
  type MessageType,
  UnsupportedVersionError,
  UntrustedMessageError,
} from "../protocol/envelope.ts";
import { helloRequestMessage } from "../protocol/hello.ts";
import {
  commandsOfNode,
  CONTROLLER_INBOX,
  isReplyTo,
  parseSubject,
  type SubjectParts,
} from "../protocol/subjects.ts";
import { withdrawalMessage, type Withdrawal } from "../protocol/withdrawal.ts";
import type { ErrorKernel } from "../runtime/errorkernel.ts";
import { aborted } from "../runtime/aborted.ts";
import { isHelloWanted, refusalOf, type Refused } from "./admission.ts";
import type { CommandPermits } from "./command-permits.ts";
import type { ControllerClock } from "./controller-clock.ts";
import type { DueRun } from "./dispatcher.ts";
import type { Ledger } from "./ledger.ts";
import type { NoticeLog } from "../runtime/notice-log.ts";
import type { Readiness } from "./readiness.ts";
import type { LedgerTables } from "./ledger-tables.ts";
import type { EndCause } from "./run-end.ts";
import type { AgentSecurity } from "./security.ts";
import { NO_STEPS, type Steps } from "./steps.ts";
import { takeCommand, takeDeletion, takeWithdrawal, type Taken } from "./take-command.ts";
import type { UntrustedReports } from "./untrusted-reports.ts";

/** A command that comes between a hello and its reply is worth waiting for, so long. */
const READY_WAIT_MS = 2_000;
const MAX_MESSAGE = 1_024;

export interface InboxOptions {
  readonly node: string;
  readonly namespace: string;
  readonly sessionID: string;
  readonly bus: Bus;
  readonly newID: () => string;
  readonly kernel: ErrorKernel;
  readonly notices: NoticeLog;
  readonly security: Pick<AgentSecurity, "signers" | "trust">;
  readonly untrusted: UntrustedReports;
  readonly ledger: Ledger;
  readonly controllerClock: ControllerClock;
  readonly readiness: Readiness;
  readonly permits: Pick<CommandPermits, "permission">;
  readonly onHelloRequest: () => void;
  readonly steps?: Steps;
  /** What follows from a command or a withdrawal, once it is in the ledger. */
  readonly runs: {
    start(run: DueRun): void;
    /** The run is to be ended if it is under way; if it waited, the ledger has its end already. */
    end(runID: string, cause: EndCause): void;
    resultDue(runID: string): void;
  };
}

/**
 * Everything that is said to the node: verifies, decodes, admits, decides, writes down, then answers and acts.
 *
 * GUARANTEES
 * - An answer leaves, and a run starts, only after the ledger has it.
 * - Nothing that comes in makes it throw, and it answers nobody but a controller.
 * - What no trusted controller has signed is not looked into; its sender is told so, and nothing else happens.
 */
export class Inbox {
  readonly #options: InboxOptions;
  /** The `signedAt` of the last request for a hello that was heeded. */
  #lastHelloRequest: string | undefined;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** The supervised process. Subscribes before it first gives way. */
  async run(signal: AbortSignal): Promise<void> {
    const { bus, node } = this.#options;
    const subscription = bus.subscribe(commandsOfNode(node), (message) => {
      void this.#receive(message);
    });
    await aborted(signal);
    subscription.unsubscribe();
  }

  async #receive(message: BusMessage): Promise<void> {
    const { node, notices, kernel } = this.#options;
    try {
      const subject = parseSubject(message.subject);
      if (subject?.direction !== "command" || subject.node !== node) return;
      if (subject.method === "hello") this.#helloRequest(message);
      else if (isReplyTo(CONTROLLER_INBOX, message.reply)) await this.#answer(message, subject);
      else notices.note(message.subject, "NoReply", "a command that no controller waits for");
    } catch (thrown) {
      kernel.report({ process: "inbox", severity: "warning", thrown });
    }
  }

  #helloRequest(message: BusMessage): void {
    const { node, ledger, controllerClock, onHelloRequest } = this.#options;
    const request = this.#decoded(helloRequestMessage, message);
    if ("reason" in request) return;
    const { clusterID } = ledger;
    const now = controllerClock.now();
    if (!isHelloWanted(request, { node, clusterID, now, last: this.#lastHelloRequest })) return;
    this.#lastHelloRequest = request.signedAt;
    onHelloRequest();
  }

  async #answer(message: BusMessage, subject: SubjectParts): Promise<void> {
    const outcome =
      subject.method === "cancel"
        ? await this.#withdrawal(message, subject)
        : await this.#command(message, subject);
    const ack: Ack = "reason" in outcome ? { answer: "refused", ...outcome } : outcome.ack;
    const { security, steps = NO_STEPS } = this.#options;
    steps.reached("ack.sending");
    const { signers } = security;
    message.respond(encodeReply(ackMessage, ack, { request: message.data, signers }));
    steps.reached("ack.sent");
  }

  async #command(message: BusMessage, subject: SubjectParts): Promise<Taken | Refused> {
    const command = await this.#admitted(commandMessage, message, subject);
    if ("reason" in command) return command;
    const { newID, controllerClock, permits } = this.#options;
    const permission = await permits.permission(command.work, command.terms);
    if (permission.kind === "undecided") {
      return refusedFor("PolicyUnavailable", permission.problem.slice(0, MAX_MESSAGE));
    }
    const runID = newID();
    const at = controllerClock.timestamp();
    const rejection =
      permission.kind === "rejected" ? { ...permission.end, finishedAt: at } : undefined;
    const taken = await this.#commit((tables) =>
      takeCommand(tables, { command, runID, at, rejection }),
    );
    if ("ack" in taken) this.#act(taken, command);
    return taken;
  }

  async #withdrawal(message: BusMessage, subject: SubjectParts): Promise<Taken | Refused> {
    const withdrawal = await this.#admitted(withdrawalMessage, message, subject);
    if ("reason" in withdrawal) return withdrawal;
    const runID = this.#options.newID();
    const at = this.#options.controllerClock.timestamp();
    const taken = await this.#commit((tables) =>
      withdrawal.scope === "run"
        ? takeWithdrawal(tables, { withdrawal, runID, at })
        : takeDeletion(tables, withdrawal, at),
    );
    if ("ack" in taken) this.#act(taken);
    return taken;
  }

  /** What came, if it can be read and is for this agent now; else why not. */
  async #admitted<T extends Command | Withdrawal>(
    type: MessageType<T>,
    message: BusMessage,
    subject: SubjectParts,
  ): Promise<T | Refused> {
    const decoded = this.#decoded(type, message);
    if ("reason" in decoded) return decoded;
    await this.#options.readiness.settled(READY_WAIT_MS);
    return this.#refusal(decoded, subject) ?? decoded;
  }

  #decoded<T>(type: MessageType<T>, message: BusMessage): T | Refused {
    try {
      return decodeMessage(type, message.data, this.#options.security.trust);
    } catch (thrown) {
      if (!(thrown instanceof MalformedMessageError)) throw thrown;
      const { notices, untrusted } = this.#options;
      const reason = reasonOf(thrown);
      notices.note(message.subject, reason, `a ${type.name} that cannot be read`);
      if (thrown instanceof UntrustedMessageError) untrusted.report("inbox", type.name, thrown);
      return { reason, message: thrown.message.slice(0, MAX_MESSAGE) };
    }
  }

  #refusal(message: Command | Withdrawal, subject: SubjectParts): Refused | undefined {
    const { node, namespace, sessionID, ledger, controllerClock, readiness } = this.#options;
    if (ledger.isBroken) return refusedFor("JournalUnavailable", "the journal does not commit");
    const now = controllerClock.now();
    const { clusterID } = ledger;
    if (!readiness.isReady || now === undefined || clusterID === undefined) {
      return refusedFor("NotReady", "the agent is starting or stopping");
    }
    const refused = refusalOf(message, subject, { node, namespace, clusterID, sessionID, now });
    if (refused !== undefined) {
      this.#options.notices.note(
        `${subject.node}.command.${subject.method}`,
        refused.reason,
        "a command that is not for this agent, or not now",
      );
    }
    return refused;
  }

  async #commit(take: (tables: LedgerTables) => Taken): Promise<Taken | Refused> {
    const { ledger, readiness, steps = NO_STEPS } = this.#options;
    try {
      steps.reached("accepted.committing");
      const taken = await ledger.commit((tables) =>
        readiness.isReady ? take(tables) : refusedFor("NotReady", "the agent is stopping"),
      );
      steps.reached("accepted.committed");
      return taken;
    } catch {
      // The ledger's own process reports it.
      return refusedFor("JournalUnavailable", "the journal does not commit");
    }
  }

  #act({ starts, ends, due }: Taken, command?: Command): void {
    const { runs } = this.#options;
    for (const { runID, cause } of ends) runs.end(runID, cause);
    if (starts !== undefined && command !== undefined) {
      const { namespace, name, work } = command;
      runs.start({ runID: starts, namespace, name, method: work.method });
    }
    for (const runID of due) runs.resultDue(runID);
  }
}

function reasonOf(thrown: MalformedMessageError): Refusal {
  if (thrown instanceof UntrustedMessageError) return "Untrusted";
  return thrown instanceof UnsupportedVersionError ? "UnsupportedVersion" : "Malformed";
}

function refusedFor(reason: Refusal, message: string): Refused {
  return { reason, message };
}
