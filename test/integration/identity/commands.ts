import { run, type CommandResult } from "../../../dev/controlplane/run.ts";

/** `steward …`, as a person calls it: without variables that would stand for options. */
export function steward(kubeconfigPath: string, ...args: string[]): Promise<CommandResult> {
  const { PATH = "", HOME = "" } = process.env;
  const main = new URL("../../../src/cli/main.ts", import.meta.url).pathname;
  const env = { PATH, HOME, KUBECONFIG: kubeconfigPath };
  return run(process.execPath, [main, ...args], { env });
}
