/** What agent-host.ts is told, as JSON in its first argument. */
export interface HostConfig {
  readonly natsUrl: string;
  readonly keysDir: string;
  readonly namespace: string;
  readonly nodes: readonly string[];
  /** Each agent's journal is in a folder of it, the keys of all in a file. */
  readonly dir: string;
  readonly probe: boolean;
}

/** Bare requests: `bench.echo.<bytes of the reply>`. */
export const ECHO_PREFIX = "bench.echo";
/** Commits of a journal: the request is an encoded command, the reply the milliseconds as JSON. */
export const COMMITS = "bench.commit";
/** The durations of all the journals' commits since this was last asked, in milliseconds, as JSON. */
export const COMMIT_TIMES = "bench.commit-times";
/** Lets the runs of the method `gated` end. */
export const GATE = "bench.gate";
