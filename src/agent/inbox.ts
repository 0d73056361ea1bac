import { ackMessage, type Ack, type Refusal } from "../protocol/ack.ts";
import type { Bus, BusMessage } from "../protocol/bus.ts";
import { commandMessage, type Command } from "../protocol/command.ts";
import {
  decodeMessage,
  encodeMessage,
  MalformedMessageError,
  UnsupportedVersionError,
} from "../protocol/envelope.ts";
import {
  commandsOfNode,
  CONTROLLER_INBOX,
  isReplyTo,
  parseSubject,
  type SubjectParts,
} from "../protocol/subjects.ts";
import type { ErrorKernel } from "../runtime/errorkernel.ts";
import { aborted } from "../runtime/aborted.ts";
import { refusalOf, type Refused } from "./admission.ts";
import type { ControllerClock } from "./controller-clock.ts";
import type { DueRun } from "./dispatcher.ts";
import type { Ledger } from "./ledger.ts";
import type { Method } from "./methods/method.ts";
import type { NoticeLog } from "../runtime/notice-log.ts";
import type { Readiness } from "./readiness.ts";
import { rejectionOf } from "./rejection.ts";
import { REPLACED, type EndCause } from "./run-end.ts";
import { takeCommand, type Taken } from "./take-command.ts";

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
  readonly ledger: Ledger;
  readonly controllerClock: ControllerClock;
  readonly readiness: Readiness;
  readonly methods: readonly Method[];
  readonly onHelloRequest: () => void;
  /** What follows from a command, once it is in the ledger. */
  readonly runs: {
    start(run: DueRun): void;
    end(runID: string, cause: EndCause): void;
    resultDue(runID: string): void;
  };
}

/**
 * Everything that is said to the node: decodes, admits, decides, writes down, then answers and acts.
 *
 * GUARANTEES
 * - An answer leaves, and a run starts, only after the ledger has it.
 * - Nothing that comes in makes it throw, and it answers nobody but a controller.
 */
export class Inbox {
  readonly #options: InboxOptions;

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
      if (subject.method === "hello") this.#options.onHelloRequest();
      else if (isReplyTo(CONTROLLER_INBOX, message.reply)) await this.#command(message, subject);
      else notices.note(message.subject, "NoReply", "a command that no controller waits for");
    } catch (thrown) {
      kernel.report({ process: "inbox", severity: "warning", thrown });
    }
  }

  async #command(message: BusMessage, subject: SubjectParts): Promise<void> {
    const answer = (ack: Ack): void => message.respond(encodeMessage(ackMessage, ack));
    const command = this.#decoded(message);
    if ("reason" in command) {
      answer({ answer: "refused", ...command });
      return;
    }
    await this.#options.readiness.settled(READY_WAIT_MS);
    const refused = this.#refusal(command, subject);
    if (refused !== undefined) {
      answer({ answer: "refused", ...refused });
      return;
    }
    const taken = await this.#take(command);
    if ("reason" in taken) {
      answer({ answer: "refused", ...taken });
      return;
    }
    this.#act(command, taken);
    answer(taken.ack);
  }

  #decoded(message: BusMessage): Command | Refused {
    try {
      return decodeMessage(commandMessage, message.data);
    } catch (thrown) {
      if (!(thrown instanceof MalformedMessageError)) throw thrown;
      const isVersion = thrown instanceof UnsupportedVersionError;
      const reason = isVersion ? "UnsupportedVersion" : "Malformed";
      this.#options.notices.note(message.subject, reason, "a command that cannot be read");
      return { reason, message: thrown.message.slice(0, MAX_MESSAGE) };
    }
  }

  #refusal(command: Command, subject: SubjectParts): Refused | undefined {
    const { node, namespace, sessionID, ledger, controllerClock, readiness } = this.#options;
    if (ledger.isBroken) return refusedFor("JournalUnavailable", "the journal does not commit");
    const now = controllerClock.now();
    const { clusterID } = ledger;
    if (!readiness.isReady || now === undefined || clusterID === undefined) {
      return refusedFor("NotReady", "the agent is starting or stopping");
    }
    const refused = refusalOf(command, subject, { node, namespace, clusterID, sessionID, now });
    if (refused !== undefined) {
      this.#options.notices.note(
        `${subject.node}.command.${subject.method}`,
        refused.reason,
        "a command that is not for this agent, or not now",
      );
    }
    return refused;
  }

  async #take(command: Command): Promise<Taken | Refused> {
    const { ledger, newID, controllerClock, methods, readiness } = this.#options;
    const runID = newID();
    const at = controllerClock.timestamp();
    const end = rejectionOf(command.work, methods);
    const rejection = end === undefined ? undefined : { ...end, finishedAt: at };
    try {
      return await ledger.commit((tables) =>
        readiness.isReady
          ? takeCommand(tables, { command, runID, at, rejection })
          : refusedFor("NotReady", "the agent is stopping"),
      );
    } catch {
      // The ledger's own process reports it.
      return refusedFor("JournalUnavailable", "the journal does not commit");
    }
  }

  #act(command: Command, { starts, ends, due }: Taken): void {
    const { namespace, name, work } = command;
    const { runs } = this.#options;
    if (ends !== undefined) runs.end(ends, REPLACED);
    if (starts !== undefined) runs.start({ runID: starts, namespace, name, method: work.method });
    for (const runID of due) runs.resultDue(runID);
  }
}

function refusedFor(reason: Refusal, message: string): Refused {
  return { reason, message };
}
