/** `steward agent`, `steward agent join` and `steward agent keygen`. Resolves to the exit status. */
export async function runAgentCommand(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  switch (command) {
    case "join":
      return (await import("./agent-join.ts")).runAgentJoin(rest);
    case "keygen":
      return (await import("./agent-keygen.ts")).runAgentKeygen(rest);
    case undefined:
    default:
      return (await import("./agent.ts")).runAgent(argv);
  }
}
