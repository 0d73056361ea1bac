/** What the guardian is asked to do: one JSON object a line on its standard input. */
export type GuardianRequest =
  | ({ readonly op: "spawn"; readonly id: number } & SpawnSpec)
  | { readonly op: "signal"; readonly id: number; readonly signal: NodeJS.Signals }
  | { readonly op: "removeAtEnd"; readonly path: string };

/** What the guardian tells: one JSON object a line on its standard output. */
export type GuardianEvent =
  | { readonly event: "ready"; readonly dir: string }
  | { readonly event: "spawned"; readonly id: number; readonly pid: number }
  /** One for each request to signal, in their order. */
  | { readonly event: "signalled" }
  | { readonly event: "failed"; readonly id: number; readonly message: string }
  | ({ readonly event: "exited"; readonly id: number } & ExitStatus);

/** The two programs are of one version and talk to nobody else: what is received is as it was sent. */
export function parseRequest(line: string): GuardianRequest {
  const request: GuardianRequest = JSON.parse(line);
  return request;
}

export function parseEvent(line: string): GuardianEvent {
  const event: GuardianEvent = JSON.parse(line);
  return event;
}

export interface SpawnSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Standard output and standard error are appended to this file. */
  readonly logPath: string;
}

export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}
