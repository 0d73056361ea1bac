import { run } from "../../dev/controlplane/run.ts";
import { testTool } from "./test-tools.ts";

/** What kstatus makes of an object. */
export interface Verdict {
  readonly status: string;
  readonly message: string;
}

let executable: Promise<string> | undefined;

/** What the real kstatus library, which Flux and Helm wait by, says of each of the objects. */
export async function kstatusOf(objects: readonly object[]): Promise<Verdict[]> {
  executable ??= testTool("kstatus");
  const stdin = objects.map((object) => `${JSON.stringify(object)}\n`).join("");
  const { code, stdout, stderr } = await run(await executable, [], { env: {}, stdin });
  if (code !== 0) throw new Error(stderr);
  const lines = stdout.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Verdict);
}
