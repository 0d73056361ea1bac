/** What agent-host.ts is told, as JSON in its first argument. */
export interface HostConfig {
  readonly natsUrl: string;
  readonly namespace: string;
  readonly nodes: readonly string[];
  /** Each agent's journal is in a folder of it. */
  readonly dir: string;
  readonly probe: boolean;
}

/** Bare requests: `bench.echo.<bytes of the reply>`. */
export const ECHO_PREFIX = "bench.echo";
/** Commits of a journal: the request is an encoded command, the reply the milliseconds as JSON. */
export const COMMITS = "bench.commit";
