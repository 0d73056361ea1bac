import { objectKey } from "../api/meta.ts";
import type { EdgeCommand } from "../api/v1alpha1/edgecommand.ts";
import type { EdgeNode } from "../api/v1alpha1/edgenode.ts";
import type { Bus } from "../protocol/bus.ts";
import type { Hello } from "../protocol/hello.ts";
import { aborted } from "../runtime/aborted.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import type { WorkQueue } from "../runtime/workqueue.ts";
import { BrokerWatch } from "./broker-watch.ts";
import { Deletions } from "./edgecommand/deletions.ts";
import { Exchanges } from "./edgecommand/exchanges.ts";
import type { Nodes } from "./edgecommand/nodes.ts";
import { OpenCommands } from "./edgecommand/open-commands.ts";
import { EdgeCommandReconciler } from "./edgecommand/reconciler.ts";
import { PendingReports } from "./edgecommand/reports.ts";
import { NodeDirectory } from "./edgenode/directory.ts";
import { HelloRequests } from "./edgenode/hello-requests.ts";
import { EdgeNodeReconciler } from "./edgenode/reconciler.ts";
import { NodeIdentities } from "./identity/node-identities.ts";
import type { IdentityPorts } from "./identity/ports.ts";
import { NodeRegistry } from "./edgenode/registry.ts";
import type {
  ControllerRecorder,
  EventRecorder,
  NodeStore,
  ResourceStore,
  StoreErrors,
  ValueReader,
} from "./ports.ts";
import { subscribeToNodes } from "./node-intakes.ts";
import { nodeSecurityOf, type NodeSecurity } from "./node-security.ts";
import { reconcileQueue } from "./reconcile-queue.ts";
import { Rejections } from "./rejections.ts";
import type { ControllerSecurity } from "./security.ts";
import type { Steps } from "./steps.ts";

export interface ControllerOptions {
  readonly commands: ResourceStore<EdgeCommand>;
  readonly nodes: NodeStore;
  readonly errors: StoreErrors;
  /** Where the values come from that commands have from Secrets and ConfigMaps. */
  readonly values: ValueReader;
  readonly bus: Bus;
  readonly events: EventRecorder;
  /** The keys that it commands with, or that nothing is signed. */
  readonly security: () => ControllerSecurity;
  /** Absent: nobody is enrolled, and nobody thrown out. */
  readonly identity?: IdentityPorts | undefined;
  /** Whoever says hello is a node; only where nothing is signed. */
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
  /** For tests that end the process at one of them. */
  readonly steps?: Steps | undefined;
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
  readonly #security: NodeSecurity;
  readonly #identities: NodeIdentities;
  readonly #broker: BrokerWatch;
  readonly #deletions: Deletions;
  readonly #helloRequests: HelloRequests;
  readonly #commandQueue: WorkQueue;
  readonly #deletionQueue: WorkQueue;
  readonly #nodeQueue: WorkQueue;
  #clusterID = "";
  #running = false;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#registry = new NodeRegistry({ gracePeriodMs: options.nodeGracePeriodMs });
    this.#directory = new NodeDirectory(options.nodes, this.#registry, options.security);
    const ownerOf = (node: string): EdgeNode | undefined => this.#directory.owner(node);
    this.#rejections = new Rejections({ ...options, ownerOf });
    this.#security = nodeSecurityOf(options.security, ownerOf);
    this.#identities = this.#nodeIdentities();
    this.#helloRequests = new HelloRequests({
      ...options,
      security: this.#security,
      clusterID: () => this.#clusterID,
    });
    this.#broker = this.#brokerWatch();
    const commands = this.#commandReconciler();
    this.#commandQueue = this.#queue("EdgeCommand", (key) => commands.reconcile(key));
    this.#deletions = this.#makeDeletions();
    this.#deletionQueue = this.#queue("Deletion", (uid) => this.#deletions.reconcile(uid));
    const nodes = this.#nodeReconciler();
    this.#nodeQueue = this.#queue("EdgeNode", (key) => nodes.reconcile(key));
  }

  commandChanged(command: EdgeCommand, deleted: boolean): void {
    if (deleted) this.#open.forget(command);
    // What is settled wants nothing, as after our own last write; a report on it would bring its key itself.
    const isDue = deleted || this.#open.observe(command);
    if (!this.#running) return;
    if (deleted) this.#deletions.deleted(command);
    if (isDue) this.#commandQueue.add(objectKey(command.metadata));
  }

  nodeChanged(node: EdgeNode, deleted: boolean): void {
    const key = objectKey(node.metadata);
    if (!deleted) this.#directory.observe(node);
    const sharers = deleted ? this.#directory.forget(node) : [];
    if (deleted) this.#deletions.forgetNode(key);
    if (deleted && sharers.length === 0) {
      this.#registry.forget(node.metadata.name, this.#options.clock.monotonic());
      this.#helloRequests.forget(node.metadata.name);
    }
    if (!this.#running) return;
    if (deleted) this.#identities.deleted(node);
    else this.#identities.changed(node);
    for (const each of [key, ...sharers]) this.#nodeQueue.add(each);
    const isStranger = this.#registry.get(node.metadata.name) === undefined;
    if (!deleted && isStranger) this.#helloRequests.ask(node.metadata.name);
  }

  /**
   * Works until the signal is aborted, then ends what is under way. `clusterID` is what agents pin: the uid of
   * the namespace kube-system, unless a person has said another.
   */
  async run(signal: AbortSignal, clusterID: string): Promise<void> {
    this.#clusterID = clusterID;
    const { bus, nodes, commands, clock, logger } = this.#options;
    this.#running = true;
    using subscriptions = new DisposableStack();
    subscriptions.defer(this.#broker.start());
    subscriptions.defer(this.#subscribe());
    subscriptions.defer(this.#identities.subscribe(bus, clusterID));
    const now = clock.monotonic();
    this.#registry.listen(now);
    for (const node of nodes.list()) this.#assumePresent(node, now);
    if (bus.connected) this.#askAllForHello();
    for (const { metadata } of commands.list()) this.#commandQueue.add(objectKey(metadata), "low");
    logger.info({ commands: [...commands.list()].length }, "controller running");
    await Promise.all([aborted(signal), this.#identities.run(signal)]);
    const queues = [this.#commandQueue, this.#deletionQueue, this.#nodeQueue];
    await Promise.all(queues.map((queue) => queue.stop()));
  }

  #commandReconciler(): EdgeCommandReconciler {
    return new EdgeCommandReconciler({
      ...this.#options,
      recorder: this.#options.recorder?.commands,
      mayAct: this.#options.mayAct ?? always,
      clusterID: () => this.#clusterID,
      security: this.#security,
      rejections: this.#rejections,
      exchanges: this.#exchanges,
      reports: this.#reports,
      brokerDownMs: () => this.#broker.downMs,
      nodes: this.#nodes(),
      requeue: (key, afterMs = 0) => {
        this.#commandQueue.addAfter(key, afterMs);
      },
    });
  }

  #makeDeletions(): Deletions {
    return new Deletions({
      ...this.#options,
      mayAct: this.#options.mayAct ?? always,
      clusterID: () => this.#clusterID,
      security: this.#security,
      rejections: this.#rejections,
      nodes: this.#nodes(),
      requeue: (uid, afterMs = 0) => {
        this.#deletionQueue.addAfter(uid, afterMs);
      },
    });
  }

  #nodeIdentities(): NodeIdentities {
    return new NodeIdentities({
      ...this.#options,
      recorder: this.#options.recorder?.identity,
      mayAct: this.#options.mayAct ?? always,
      nodeSecurity: this.#security,
      directory: this.#directory,
      rejections: this.#rejections,
      requeueNode: (key) => {
        this.#nodeQueue.add(key);
      },
    });
  }

  /** The nodes as commands see them. */
  #nodes(): Nodes {
    const { clock } = this.#options;
    const view: Nodes["view"] = (namespace, name) =>
      this.#directory.view(objectKey({ namespace, name }), clock.monotonic());
    return {
      view,
      silentMs: (namespace, name) => {
        const { kind } = view(namespace, name);
        if (kind === "present" || kind === "arriving") return 0;
        return this.#registry.silentMs({ namespace, name }, clock.monotonic());
      },
      markUnreachable: (namespace, name) => {
        this.#registry.markUnreachable(name, clock.monotonic());
        this.#nodeQueue.add(objectKey({ namespace, name }));
      },
      askForHello: (name) => {
        this.#helloRequests.ask(name);
      },
    };
  }

  #nodeReconciler(): EdgeNodeReconciler {
    return new EdgeNodeReconciler({
      ...this.#options,
      directory: this.#directory,
      registry: this.#registry,
      isInsecure: () => this.#options.security() === "insecure",
      isVoid: (publicKey) => this.#identities.isVoid(publicKey),
      requeue: (key, afterMs = 0) => {
        this.#nodeQueue.addAfter(key, afterMs);
      },
      onViewChange: (key) => {
        for (const command of this.#open.of(key)) {
          this.#exchanges.hurry(command);
          this.#commandQueue.add(command);
        }
        this.#deletions.wake(key);
      },
    });
  }

  /** Results of nodes that are not in etcd yet. */
  get receiptsOutstanding(): number {
    return this.#reports.size;
  }

  #queue(kind: string, reconcile: (key: string) => Promise<boolean>): WorkQueue {
    const { mayAct = always } = this.#options;
    return reconcileQueue(kind, reconcile, { ...this.#options, mayAct });
  }

  #subscribe(): () => void {
    return subscribeToNodes(this.#options.bus, {
      ...this.#options,
      security: this.#security,
      commandKeys: this.#options.security,
      clusterID: this.#clusterID,
      directory: this.#directory,
      registry: this.#registry,
      reports: this.#reports,
      rejections: this.#rejections,
      onHello: (key, hello) => {
        this.#heard(key, hello);
      },
      requeueNode: (key) => {
        this.#nodeQueue.add(key);
      },
      requeueCommand: (key) => {
        this.#commandQueue.add(key);
      },
    });
  }

  /** Open commands that a hello does not name, where it names all, may not have arrived: once more. */
  #heard(nodeKey: string, hello: Hello): void {
    this.#nodeQueue.add(nodeKey);
    this.#deletions.heard(nodeKey.slice(nodeKey.indexOf("/") + 1), hello);
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

  #brokerWatch(): BrokerWatch {
    const lookAtAll = (): void => {
      for (const { metadata } of this.#options.nodes.list())
        this.#nodeQueue.add(objectKey(metadata));
      for (const key of this.#open.all()) this.#commandQueue.add(key);
    };
    return new BrokerWatch({
      ...this.#options,
      onLost: (now) => {
        this.#registry.goneDeaf(now);
        lookAtAll();
      },
      onFound: (now) => {
        this.#registry.canHear(now);
        this.#askAllForHello();
        lookAtAll();
      },
    });
  }

  #askAllForHello(): void {
    for (const node of this.#options.nodes.list()) this.#helloRequests.ask(node.metadata.name);
  }
}

function always(): boolean {
  return true;
}
