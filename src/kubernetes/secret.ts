import type { KubernetesObject } from "../api/meta.ts";
import type { ResourceType } from "./resource-path.ts";

export const SECRETS: ResourceType = {
  group: "",
  version: "v1",
  plural: "secrets",
  kind: "Secret",
};

/** core/v1 Secret. */
export interface Secret extends KubernetesObject {
  readonly type?: string;
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

/** A text as it stands in `data`. */
export function toSecretValue(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

/** The text at a key of `data`; undefined if the key is not there. */
export function secretText(secret: Pick<Secret, "data">, key: string): string | undefined {
  const value = secret.data?.[key];
  return value === undefined ? undefined : Buffer.from(value, "base64").toString("utf8");
}
