/** A DNS-1123 label: what nodes and methods are called. */
export const LABEL_PATTERN = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

/** A CEL rule as the API server evaluates it, with the message a person reads when it fails. */
export interface ValidationRule {
  readonly rule: string;
  readonly message: string;
  readonly reason?: "FieldValueInvalid" | "FieldValueForbidden";
  readonly fieldPath?: string;
}

/** Metadata of a zod schema that is a list of CEL rules in the CRD. */
export function rules(...list: ValidationRule[]): Record<string, unknown> {
  return { "x-kubernetes-validations": list };
}

/** Metadata of a list whose items are told apart by a key: no two may share it. */
export function mapList(key: string): Record<string, unknown> {
  return { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key] };
}
