import { objectKey } from "../../../../src/api/meta.ts";
import type { EdgeCommand } from "../../../../src/api/v1alpha1/edgecommand.ts";
import { Exchanges } from "../../../../src/controller/edgecommand/exchanges.ts";
import type { NodeView } from "../../../../src/controller/edgecommand/observe.ts";
import { EdgeCommandReconciler } from "../../../../src/controller/edgecommand/reconciler.ts";
import { PendingReports } from "../../../../src/controller/edgecommand/reports.ts";
import type { EventClaim } from "../../../../src/controller/ports.ts";
import type { ControllerStep } from "../../../../src/controller/steps.ts";
import { ackMessage, type Ack } from "../../../../src/protocol/ack.ts";
import { commandMessage, type Command } from "../../../../src/protocol/command.ts";
import { decodeMessage, encodeReply } from "../../../../src/protocol/envelope.ts";
import type { Receipt } from "../../../../src/protocol/result.ts";
import type { RunReport } from "../../../../src/protocol/run.ts";
import type { Bus, RequestOutcome } from "../../../../src/protocol/bus.ts";
import { withdrawalSubject } from "../../../../src/protocol/subjects.ts";
import { withdrawalMessage, type Withdrawal } from "../../../../src/protocol/withdrawal.ts";
import {
  edgeCommand,
  NODE_GRACE_MS,
  NOW,
  OTHER_UID,
  SESSION_ID,
} from "../../../support/builders.ts";
import { FakeClock, settle } from "../../../support/fake-clock.ts";
import { FakeStore, fakeStoreErrors } from "../../../support/fake-store.ts";
import { trustIn } from "../../../../src/identity/signatures.ts";
import {
  CONTROLLER_KEY,
  CONTROLLER_SIGNERS,
  NODE_KEY,
  NODE_SIGNERS,
} from "../../../support/test-keys.ts";
import { RecordingLogger } from "../../../support/recording-logger.ts";

const CONTROLLER_TRUST = trustIn(() => [CONTROLLER_KEY.publicKey]);
export const KEY = objectKey(edgeCommand().metadata);

/** The reconciler of EdgeCommands alone, over fakes of its ports, and the node ship1 as a test has it. */
export class ReconcilerWorld {
  readonly clock = new FakeClock(NOW);
  readonly steps: ControllerStep[] = [];
  readonly events: EventClaim[] = [];
  readonly received: (Command | Withdrawal)[] = [];
  readonly receipts: Receipt[] = [];
  readonly #requeued = new Map<string, number>();
  readonly commands = new FakeStore<EdgeCommand>("EdgeCommand", () => undefined);
  readonly reports = new PendingReports();
  readonly exchanges = new Exchanges();
  node: NodeView = { kind: "present", sessionID: SESSION_ID };
  silentMs = 0;
  #reconciler = this.#make();

  /** What the node answers; undefined: nothing, and all the time for that has passed. */
  answer: (received: Command | Withdrawal) => Ack | undefined = () => undefined;

  /** One pass, and all that follows from it at once. */
  async pass(): Promise<void> {
    this.#requeued.delete(KEY);
    await this.#reconciler.reconcile(KEY);
    await settle();
  }

  /** Passes for as long as the key is due now. */
  async passes(): Promise<void> {
    await this.pass();
    for (let i = 0; i < 20 && this.dueInMs === 0; i += 1) await this.pass();
  }

  /** When the key is due again. */
  get dueInMs(): number | undefined {
    return this.#requeued.get(KEY);
  }

  /** Another process with the same etcd: what is in memory is gone. */
  restart(): void {
    this.exchanges.delete(KEY);
    this.#reconciler = this.#make();
  }

  report(report: RunReport): void {
    const giveReceipt = (receipt: Receipt): void => {
      this.receipts.push(receipt);
    };
    this.reports.put(KEY, { report, node: "ship1", nodeNamespace: "default", giveReceipt });
  }

  get status(): EdgeCommand["status"] | undefined {
    return this.commands.get(KEY)?.status;
  }

  #bus(): Bus {
    return {
      connected: true,
      onConnectedChange: () => () => undefined,
      subscribe: () => ({ unsubscribe: () => undefined }),
      publish: () => undefined,
      request: (subject, data) => Promise.resolve(this.#request(subject, data)),
    };
  }

  #request(subject: string, data: Uint8Array): RequestOutcome {
    const received =
      subject === withdrawalSubject("ship1")
        ? decodeMessage(withdrawalMessage, data, CONTROLLER_TRUST)
        : decodeMessage(commandMessage, data, CONTROLLER_TRUST);
    this.received.push(received);
    const ack = this.answer(received);
    if (ack === undefined) return { kind: "timeout" };
    const reply = encodeReply(ackMessage, ack, { request: data, signers: NODE_SIGNERS });
    return { kind: "reply", data: reply };
  }

  #make(): EdgeCommandReconciler {
    return new EdgeCommandReconciler({
      commands: this.commands,
      errors: fakeStoreErrors,
      nodes: {
        view: () => this.node,
        silentMs: () => this.silentMs,
        markUnreachable: () => undefined,
        askForHello: () => undefined,
      },
      reports: this.reports,
      exchanges: this.exchanges,
      bus: this.#bus(),
      security: {
        signers: CONTROLLER_SIGNERS,
        trustOf: () => trustIn(() => [NODE_KEY.publicKey]),
      },
      rejections: { refuse: () => undefined },
      values: { read: () => Promise.resolve("notFound") },
      brokerDownMs: () => undefined,
      nodeGracePeriodMs: NODE_GRACE_MS,
      clusterID: () => OTHER_UID,
      mayAct: () => true,
      clock: this.clock,
      random: () => 1,
      events: { record: (_, event) => this.events.push(event) },
      logger: new RecordingLogger(),
      requeue: (key, afterMs = 0) => {
        this.#requeued.set(key, Math.min(afterMs, this.#requeued.get(key) ?? Infinity));
      },
      steps: { reached: (step) => this.steps.push(step) },
    });
  }
}
