import type { CommandWork } from "../protocol/command.ts";
import { isVariableName } from "./launch-script.ts";
import type { Method } from "./methods/method.ts";
import { rejected, type RunEnd } from "./run-end.ts";

/** Why no node with these methods can do this work, whoever allows it; undefined if it can. Pure. */
export function rejectionOf(work: CommandWork, methods: readonly Method[]): RunEnd | undefined {
  const method = methods.find(({ name }) => name === work.method);
  if (method === undefined) {
    const known = methods.map(({ name }) => name).join(", ");
    return rejected("UnknownMethod", `This node has no method ${work.method}. It has: ${known}.`);
  }
  const problem = problemOf(work) ?? method.problem(work.args);
  return problem === undefined
    ? undefined
    : rejected("InvalidArguments", `The node cannot do this: ${problem}.`);
}

/** What no process can be given, whatever the method. Names the field and never its content. */
function problemOf({ args, env, workingDir }: CommandWork): string | undefined {
  const argument = args.findIndex(hasNUL);
  if (argument >= 0) return `args[${argument}] has a NUL character`;
  const variable = env.findIndex(({ name, value }) => hasNUL(name) || hasNUL(value));
  if (variable >= 0) return `env[${variable}] has a NUL character`;
  const unnamed = env.findIndex(({ name }) => !isVariableName(name));
  if (unnamed >= 0)
    return `env[${unnamed}].name must be letters, digits and _, and begin with no digit`;
  if (hasNUL(workingDir)) return "workingDir has a NUL character";
  if (workingDir !== "" && !workingDir.startsWith("/")) return "workingDir must begin with /";
  return undefined;
}

function hasNUL(text: string): boolean {
  return text.includes("\0");
}
