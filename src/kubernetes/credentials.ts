import type { KubeConfig } from "@kubernetes/client-node";
import type { Clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import { abortable, startDeadline } from "./deadline.ts";
import {
  clusterAddressOf,
  credentialsFrom,
  readKubeconfig,
  usesPlugin,
  type ClusterAddress,
  type Credentials,
} from "./kubeconfig.ts";
import { KubeconfigError } from "./transport-error.ts";

/** client-go re-reads token files this often; the kubelet replaces them at 80 % of their life. */
const RE_READ_MS = 60_000;
/** A 401 re-reads at once, but not more often than this: wrong credentials must not become a storm. */
const RENEW_GAP_MS = 5_000;
/** A plugin that takes longer hangs. */
const READ_TIMEOUT_MS = 20_000;

export interface CredentialSourceOptions {
  readonly kubeconfigPath?: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The credentials of the cluster, kept fresh.
 *
 * INVARIANTS
 * - They are never older than a minute on disk, and a 401 has them read again at once.
 * - What cannot be read again (a file half written) leaves the last good ones in place.
 * - Cluster and context stay those of the start, whatever becomes of the kubeconfig.
 */
export class CredentialSource {
  readonly address: ClusterAddress;
  readonly #options: CredentialSourceOptions;
  #config: KubeConfig;
  #credentials: Credentials;
  #readAt: number;
  #renewedAt = -Infinity;
  #reading: Promise<void> | undefined;

  private constructor(
    options: CredentialSourceOptions,
    config: KubeConfig,
    credentials: Credentials,
  ) {
    this.address = clusterAddressOf(config);
    this.#options = options;
    this.#config = config;
    this.#credentials = credentials;
    this.#readAt = options.clock.monotonic();
  }

  /** Reads them for the first time. Throws KubeconfigError. */
  static async load(options: CredentialSourceOptions): Promise<CredentialSource> {
    const config = readKubeconfig(options.kubeconfigPath);
    return new CredentialSource(options, config, await readCredentials(config, options.clock));
  }

  async current(): Promise<Credentials> {
    const age = this.#options.clock.monotonic() - this.#readAt;
    if (age >= RE_READ_MS) await this.#read({ discardPlugins: false });
    return this.#credentials;
  }

  /**
   * After a 401 to `rejected`: credentials worth one more try, or undefined when they were read again
   * moments ago. Concurrent calls share one reading.
   */
  async renew(rejected: Credentials): Promise<Credentials | undefined> {
    if (rejected !== this.#credentials) return this.#credentials;
    const now = this.#options.clock.monotonic();
    if (this.#reading === undefined && now - this.#renewedAt < RENEW_GAP_MS) return undefined;
    this.#renewedAt = now;
    await this.#read({ discardPlugins: true });
    return this.#credentials;
  }

  async #read(how: { discardPlugins: boolean }): Promise<void> {
    this.#reading ??= this.#readNow(how.discardPlugins).finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  async #readNow(discardPlugins: boolean): Promise<void> {
    const { kubeconfigPath, logger, clock } = this.#options;
    try {
      if (discardPlugins || !usesPlugin(this.#config)) {
        this.#config = readKubeconfig(kubeconfigPath, this.address.context);
      }
      this.#credentials = await readCredentials(this.#config, clock);
    } catch (thrown) {
      logger.warn(
        { err: thrown },
        `keeping the last Kubernetes credentials: ${errorMessage(thrown)}`,
      );
    }
    this.#readAt = clock.monotonic();
  }
}

async function readCredentials(config: KubeConfig, clock: Clock): Promise<Credentials> {
  const deadline = startDeadline(clock, READ_TIMEOUT_MS);
  try {
    return await abortable(credentialsFrom(config), deadline.signal);
  } catch (cause) {
    if (!deadline.expired) throw cause;
    throw new KubeconfigError(`no credentials within ${READ_TIMEOUT_MS} ms`, { cause });
  } finally {
    deadline.end();
  }
}
