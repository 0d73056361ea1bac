import type { EdgeCommand, EdgeCommandSpec } from "../../api/v1alpha1/edgecommand.ts";
import type { ValueSource } from "../../api/v1alpha1/value-source.ts";
import { MAX_SEALED_BYTES, type SealedInputs } from "../../protocol/sealed-inputs.ts";
import type { ObjectRead, ValueKind } from "../ports.ts";

const MAX_VARIABLE_BYTES = 32_768;
const MAX_STDIN_BYTES = 65_536;

/** Why there is not what a command is to be given. Names the reference and the way out, never a value. */
export interface InputProblem {
  readonly reason: InputReason;
  readonly message: string;
}

type InputReason =
  | "SecretNotFound"
  | "ConfigMapNotFound"
  | "InputForbidden"
  | "InputTooLarge"
  | "InputInvalid";

/** A key of an object of the command's namespace. */
interface Reference {
  readonly kind: ValueKind;
  readonly name: string;
  readonly key: string;
  readonly optional: boolean;
}

/** What of a command a reference is the value of: a variable, or its stdin. */
interface Input {
  readonly of: string;
  readonly variable: string | undefined;
  readonly reference: Reference;
}

/** An object that a command's values come from. */
export type InputObject = Pick<Reference, "kind" | "name">;

/** By `inputObjectKey`. */
export type ObjectReads = ReadonlyMap<string, ObjectRead>;

export function inputObjectKey({ kind, name }: InputObject): string {
  return `${kind}/${name}`;
}

/** The objects that a command's values come from, each once; none for most commands. */
export function inputObjects(spec: EdgeCommandSpec): InputObject[] {
  const references = inputsOf(spec).map(({ reference }) => reference);
  return [...new Map(references.map((object) => [inputObjectKey(object), object])).values()];
}

/** What the command is given of what was read, or the first thing that is wrong with it. Pure. */
export function inputsFrom(
  { metadata: { namespace }, spec }: EdgeCommand,
  reads: ObjectReads,
): SealedInputs | InputProblem {
  const env: SealedInputs["env"] = [];
  let stdin: SealedInputs["stdin"];
  for (const input of inputsOf(spec)) {
    const value = valueOf(input, reads, namespace);
    if (typeof value === "object") return value;
    if (value === undefined) continue;
    const isPublic = input.reference.kind === "ConfigMap" ? { isPublic: true as const } : {};
    if (input.variable === undefined) stdin = { value, ...isPublic };
    else env.push({ name: input.variable, value, ...isPublic });
  }
  const inputs = { env, ...(stdin === undefined ? {} : { stdin }) };
  return Buffer.byteLength(JSON.stringify(inputs)) > MAX_SEALED_BYTES ? TOO_LARGE : inputs;
}

const TOO_LARGE: InputProblem = {
  reason: "InputTooLarge",
  message:
    `What it gets from Secrets and ConfigMaps is more than ${MAX_SEALED_BYTES} bytes together. ` +
    "Put larger inputs into a file on the node.",
};

function inputsOf({ env, stdinFrom }: EdgeCommandSpec): Input[] {
  const variables = env.flatMap(({ name, valueFrom }) =>
    valueFrom === undefined ? [] : inputOf(`variable ${name}`, name, valueFrom),
  );
  return stdinFrom === undefined
    ? variables
    : [...variables, ...inputOf("stdin", undefined, stdinFrom)];
}

function inputOf(
  of: string,
  variable: string | undefined,
  { secretKeyRef, configMapKeyRef }: ValueSource,
): Input[] {
  const secret = secretKeyRef && { kind: "Secret" as const, ...secretKeyRef };
  const reference = secret ?? (configMapKeyRef && { kind: "ConfigMap", ...configMapKeyRef });
  return reference === undefined ? [] : [{ of, variable, reference }];
}

/** Undefined: it is optional, and not there. */
function valueOf(
  input: Input,
  reads: ObjectReads,
  namespace: string,
): string | InputProblem | undefined {
  const { reference } = input;
  const read = reads.get(inputObjectKey(reference)) ?? "notFound";
  const object = `${reference.kind} "${reference.name}" of namespace "${namespace}"`;
  if (read === "forbidden") return forbidden(input, object);
  const bytes = read === "notFound" ? undefined : read.get(reference.key);
  if (bytes !== undefined) return textOf(bytes, input, object);
  return reference.optional ? undefined : notFound(input, object, read === "notFound");
}

function forbidden({ of, reference }: Input, object: string): InputProblem {
  const plural = reference.kind === "Secret" ? "secrets" : "configmaps";
  return {
    reason: "InputForbidden",
    message:
      `The controller may not read the ${object}, which its ${of} comes from. Allow its ServiceAccount to get ` +
      `that ${reference.kind} with a Role and a RoleBinding in the namespace: resource ${plural}, verb get, ` +
      `resourceName ${reference.name}.`,
  };
}

function notFound(
  { of, reference }: Input,
  object: string,
  isObjectMissing: boolean,
): InputProblem {
  const what = isObjectMissing ? `There is no ${object}` : `The ${object} has no such key`;
  return {
    reason: `${reference.kind}NotFound`,
    message:
      `${what}: its ${of} comes from the key "${reference.key}" there. It is sent when there is one; ` +
      "what may be missing is to be marked optional.",
  };
}

function textOf(
  bytes: Uint8Array,
  { of, variable, reference }: Input,
  object: string,
): string | InputProblem {
  const max = variable === undefined ? MAX_STDIN_BYTES : MAX_VARIABLE_BYTES;
  const whose = `The value at the key "${reference.key}" of the ${object}`;
  if (bytes.length > max) {
    return {
      reason: "InputTooLarge",
      message: `${whose} is longer than the ${max} bytes that its ${of} may have. Put it into a file on the node.`,
    };
  }
  const text = decoded(bytes);
  if (text !== undefined && (variable === undefined || !text.includes("\0"))) return text;
  const why =
    text === undefined
      ? "is not UTF-8"
      : "has a NUL character, which no variable of an environment can have";
  return {
    reason: "InputInvalid",
    message: `${whose} ${why}, so its ${of} cannot be that. Store it in base64, and decode it in the command.`,
  };
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
