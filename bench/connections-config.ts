/** What connections.ts is told, as JSON in its first argument. */
export interface ConnectionsConfig {
  readonly natsUrl: string;
  readonly keysDir: string;
  /** `bare`: connections and nothing else; `node`: what a connected agent is to the broker. */
  readonly kind: "bare" | "node";
  readonly count: number;
}

/** Published once all connections are there. */
export const CONNECTED = "bench.connected";
