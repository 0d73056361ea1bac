import { objectKey } from "../api/meta.ts";
import type { EdgeCommand } from "../api/v1alpha1/edgecommand.ts";
import type { EdgeNode } from "../api/v1alpha1/edgenode.ts";
import type { Bus } from "../protocol/bus.ts";
import { HELLO_REQUEST, type Hello } from "../protocol/hello.ts";
import { isNodeName } from "../protocol/names.ts";
import { helloRequestSubject } from "../protocol/subjects.ts";
import { aborted } from "../runtime/aborted.ts";
import type { Clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import { Semaphore } from "../runtime/semaphore.ts";
import type { Random } from "../runtime/random.ts";
import { WorkQueue } from "../runtime/workqueue.ts";
import { Exchanges } from "./edgecommand/exchanges.ts";
import { OpenCommands } from "./edgecommand/open-commands.ts";
import { EdgeCommandReconciler } from "./edgecommand/reconciler.ts";
import { PendingReports } from "./edgecommand/reports.ts";
import { subscribeToResults } from "./edgecommand/result-intake.ts";
import { NodeDirectory } from "./edgenode/directory.ts";
import { subscribeToErrors } from "./edgenode/error-intake.ts";
import { subscribeToHellos } from "./edgenode/hello-intake.ts";
import { EdgeNodeReconciler } from "./edgenode/reconciler.ts";
import { NodeRegistry } from "./edgenode/registry.ts";
import type {
  ControllerRecorder,
  EventRecorder,
  NodeStore,
  ResourceStore,
  StoreErrors,
} from "./ports.ts";
import { Rejections } from "./rejections.ts";

/** How many resources of one kind are worked on at once. */
const CONCURRENCY = 16;
const MAX_REGISTRATIONS = 8;
const HELLO_REQUEST_INTERVAL_MS = 5_000;

export interface ControllerOptions {
  readonly commands: ResourceStore<EdgeCommand>;
  readonly nodes: NodeStore;
  readonly errors: StoreErrors;
  readonly bus: Bus;
  readonly events: EventRecorder;
  readonly registerNodes: boolean;
  /** The one namespace that this controller serves; nodes of others are left to others. */
  readonly namespace?: string | undefined;
  /** A node that says nothing for this long is away. */
  readonly nodeGracePeriodMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly recorder?: ControllerRecorder;
  /** Whether this process may act: asked before every pass and every send. True unless told. */
  readonly mayAct?: () => boolean;
}

/**
 * The controller without its surroundings. It is told of changes by `commandChanged` and `nodeChanged`,
 * from the first object of the initial list on, and starts to act with `run`, when both caches are whole.
 */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #exchanges = new Exchanges();
  readonly #reports = new PendingReports();
  readonly #open = new OpenCommands();
  readonly #registry: NodeRegistry;
  readonly #directory: NodeDirectory;
  readonly #rejections: Rejections;
  readonly #commandQueue: WorkQueue;
  readonly #nodeQueue: WorkQueue;
  #brokerDownSince: number | undefined;
  /** When each node was last asked for a hello. */
  readonly #askedForHello = new Map<string, number>();
  #clusterID = "";
  #running = false;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#registry = new NodeRegistry({ gracePeriodMs: options.nodeGracePeriodMs });
    this.#directory = new NodeDirectory(options.nodes, this.#registry);
    this.#rejections = new Rejections(options.logger, options.recorder?.commands);
    const commands = this.#commandReconciler();
    this.#commandQueue = this.#queue("EdgeCommand", (key) => commands.reconcile(key));
    const nodes = this.#nodeReconciler();
    this.#nodeQueue = this.#queue("EdgeNode", (key) => nodes.reconcile(key));
  }

  commandChanged(command: EdgeCommand, deleted: boolean): void {
    if (deleted) this.#open.forget(command);
    // What is settled wants nothing, as after our own last write; a report on it would bring its key itself.
    const isDue = deleted || this.#open.observe(command);
    if (this.#running && isDue) this.#commandQueue.add(objectKey(command.metadata));
  }

  nodeChanged(node: EdgeNode, deleted: boolean): void {
    const key = objectKey(node.metadata);
    if (!deleted) this.#directory.observe(node);
    const sharers = deleted ? this.#directory.forget(node) : [];
    if (deleted && sharers.length === 0) {
      this.#registry.forget(node.metadata.name);
      this.#askedForHello.delete(node.metadata.name);
    }
    if (!this.#running) return;
    for (const each of [key, ...sharers]) this.#nodeQueue.add(each);
    const isStranger = this.#registry.get(node.metadata.name) === undefined;
    if (!deleted && isStranger) this.#askForHello(node.metadata.name);
  }

  /**
   * Works until the signal is aborted, then ends what is under way. `clusterID` is the uid of the namespace
   * kube-system: what agents pin.
   */
  async run(signal: AbortSignal, clusterID: string): Promise<void> {
    this.#clusterID = clusterID;
    const { bus, nodes, commands, clock, logger } = this.#options;
    this.#running = true;
    using subscriptions = new DisposableStack();
    subscriptions.defer(this.#watchBroker());
    subscriptions.defer(this.#subscribeToHellos());
    subscriptions.defer(this.#subscribeToErrors());
    subscriptions.defer(this.#subscribeToResults());
    const now = clock.monotonic();
    for (const node of nodes.list()) this.#assumePresent(node, now);
    if (bus.connected) this.#askAllForHello();
    for (const { metadata } of commands.list()) this.#commandQueue.add(objectKey(metadata), "low");
    logger.info({ commands: [...commands.list()].length }, "controller running");
    await aborted(signal);
    await Promise.all([this.#commandQueue.stop(), this.#nodeQueue.stop()]);
  }

  #commandReconciler(): EdgeCommandReconciler {
    const { clock } = this.#options;
    return new EdgeCommandReconciler({
      ...this.#options,
      recorder: this.#options.recorder?.commands,
      mayAct: this.#options.mayAct ?? always,
      clusterID: () => this.#clusterID,
      exchanges: this.#exchanges,
      reports: this.#reports,
      brokerDownMs: () =>
        this.#brokerDownSince === undefined ? undefined : clock.monotonic() - this.#brokerDownSince,
      nodes: {
        view: (namespace, name) =>
          this.#directory.view(objectKey({ namespace, name }), clock.monotonic()),
        markUnreachable: (namespace, name) => {
          this.#registry.markUnreachable(name);
          this.#nodeQueue.add(objectKey({ namespace, name }));
        },
        askForHello: (name) => {
          this.#askForHello(name);
        },
      },
      requeue: (key, afterMs = 0) => {
        this.#commandQueue.addAfter(key, afterMs);
      },
    });
  }

  #nodeReconciler(): EdgeNodeReconciler {
    return new EdgeNodeReconciler({
      ...this.#options,
      directory: this.#directory,
      registry: this.#registry,
      requeue: (key, afterMs = 0) => {
        this.#nodeQueue.addAfter(key, afterMs);
      },
      onViewChange: (key) => {
        for (const command of this.#open.of(key)) {
          this.#exchanges.hurry(command);
          this.#commandQueue.add(command);
        }
      },
    });
  }

  /** Results of nodes that are not in etcd yet. */
  get receiptsOutstanding(): number {
    return this.#reports.size;
  }

  #queue(kind: string, reconcile: (key: string) => Promise<boolean>): WorkQueue {
    const { clock, random, logger, recorder } = this.#options;
    const name = kind.toLowerCase();
    const passes = recorder?.reconciler(name, CONCURRENCY);
    const mayAct = this.#options.mayAct ?? always;
    const work = async (key: string): Promise<void> => {
      if (!mayAct()) return;
      const ended = passes?.started();
      try {
        const isDueAgain = await reconcile(key);
        ended?.(isDueAgain ? "requeue_after" : "success");
      } catch (thrown) {
        ended?.("error");
        throw thrown;
      }
    };
    return new WorkQueue({
      clock,
      random,
      concurrency: CONCURRENCY,
      work,
      ...(recorder === undefined ? {} : { recorder: recorder.workQueue(name) }),
      onError: (key, thrown) => {
        logger.warn({ kind, key, err: thrown }, `reconcile failed: ${errorMessage(thrown)}`);
      },
    });
  }

  #subscribeToHellos(): () => void {
    return subscribeToHellos(this.#options.bus, {
      ...this.#options,
      clusterID: this.#clusterID,
      directory: this.#directory,
      registry: this.#registry,
      rejections: this.#rejections,
      registrations: { underWay: new Map(), limit: new Semaphore(MAX_REGISTRATIONS) },
      onHello: (key, hello) => {
        this.#heard(key, hello);
      },
    });
  }

  #subscribeToErrors(): () => void {
    return subscribeToErrors(this.#options.bus, {
      ...this.#options,
      registry: this.#registry,
      rejections: this.#rejections,
      requeue: (key) => {
        this.#nodeQueue.add(key);
      },
    });
  }

  #subscribeToResults(): () => void {
    return subscribeToResults(this.#options.bus, {
      ...this.#options,
      clusterID: this.#clusterID,
      reports: this.#reports,
      rejections: this.#rejections,
      requeue: (key) => {
        this.#commandQueue.add(key);
      },
    });
  }

  /** Open commands that a hello does not name, where it names all, may not have arrived: once more. */
  #heard(nodeKey: string, hello: Hello): void {
    this.#nodeQueue.add(nodeKey);
    const isWhole = hello.runsWithoutReceipt <= hello.runs.length;
    const named = new Map(hello.runs.map((run) => [run.name, run]));
    for (const key of this.#open.of(nodeKey)) {
      const name = key.slice(key.indexOf("/") + 1);
      const run = named.get(name);
      const known = this.#exchanges.stateOf(key);
      if (run === undefined ? !isWhole && known !== undefined : run.state === known) continue;
      this.#exchanges.hurry(key);
      this.#commandQueue.add(key);
    }
  }

  #assumePresent({ metadata, status }: EdgeNode, now: number): void {
    const { session, ledgerID } = status;
    const ready = status.conditions?.find(({ type }) => type === "Ready")?.status === "True";
    if (ready && session !== undefined && ledgerID !== undefined) {
      const { namespace, name } = metadata;
      this.#registry.assume(name, { namespace, sessionID: session.id, ledgerID }, now);
    }
    this.#nodeQueue.add(objectKey(metadata));
  }

  #watchBroker(): () => void {
    const { bus, clock, nodes } = this.#options;
    if (!bus.connected) this.#brokerLost(clock.monotonic());
    return bus.onConnectedChange((connected) => {
      if (connected) this.#brokerFound(clock.monotonic());
      else this.#brokerLost(clock.monotonic());
      for (const { metadata } of nodes.list()) this.#nodeQueue.add(objectKey(metadata));
      for (const key of this.#open.all()) this.#commandQueue.add(key);
    });
  }

  #brokerLost(now: number): void {
    this.#brokerDownSince ??= now;
    this.#registry.goneDeaf(now);
  }

  #brokerFound(now: number): void {
    this.#brokerDownSince = undefined;
    this.#registry.canHear(now);
    this.#askAllForHello();
  }

  #askAllForHello(): void {
    for (const node of this.#options.nodes.list()) this.#askForHello(node.metadata.name);
  }

  /** Not more often than it can help: two agents of one name would be kept talking for ever. */
  #askForHello(name: string): void {
    const now = this.#options.clock.monotonic();
    const last = this.#askedForHello.get(name);
    if (!isNodeName(name) || (last !== undefined && now - last < HELLO_REQUEST_INTERVAL_MS)) return;
    this.#askedForHello.set(name, now);
    this.#options.bus.publish(helloRequestSubject(name), HELLO_REQUEST);
  }
}

function always(): boolean {
  return true;
}
