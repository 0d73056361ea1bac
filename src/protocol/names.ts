import { z } from "zod";

/**
 * A DNS-1123 label: what a node, a namespace and a method may be called. No dots, so that each is one
 * token of a NATS subject.
 */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Last tokens of `<node>.command.` that the protocol itself uses. */
export const RESERVED_METHODS = ["cancel", "hello"] as const;

export function isNodeName(text: string): boolean {
  return LABEL.test(text);
}

export function isMethod(text: string): boolean {
  return isMethodToken(text) && !(RESERVED_METHODS as readonly string[]).includes(text);
}

/** Whether it has the form of a method, be it reserved or not: the last token of any subject. */
export function isMethodToken(text: string): boolean {
  return LABEL.test(text);
}

/** The nearest valid node name, for an error that offers the fix; undefined if nothing is left of it. */
export function suggestNodeName(text: string): string | undefined {
  const label = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 63)
    .replace(/^-+|-+$/g, "");
  return label === "" ? undefined : label;
}

export const nodeName = z.string().regex(LABEL, "must be a DNS-1123 label");
export const method = z.string().refine(isMethod, "must be a method name");
/** A namespace is a DNS-1123 label as well. */
export const namespace = z.string().regex(LABEL, "must be the name of a namespace");
/** The name of an EdgeCommand: a DNS-1123 subdomain. */
export const resourceName = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);
/** A uid of Kubernetes, or an id that we make in the same form. */
export const uuid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
/** RFC 3339 in UTC with milliseconds, as `Date.prototype.toISOString` writes it. */
export const timestamp = z.iso.datetime({ precision: 3 });
/** `v1:` and 32 hex digits: see `api/v1alpha1/revision.ts`. */
export const revision = z.string().regex(/^v\d+:[0-9a-f]{32}$/);
export const generation = z.int().min(1);
/** Above 0 only after a cluster was restored from a backup: see DESIGN §4 and ADR 0010. */
export const epoch = z.int().min(0);
/** The public key of a node, a controller or a token: a NATS user nkey. */
export const publicKey = z
  .string()
  .regex(/^U[A-Z2-7]{55}$/, "must be a public key that begins with U");
/** A user of a Unix system, by name. */
export const userName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, "must be the name of a user");
/** An X25519 public key: 32 bytes in base64url. */
export const sealingKey = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
/** spec.rerun: a new value asks for the same once more; empty asks for nothing. */
export const rerun = z.string().max(63);
