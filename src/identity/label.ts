/** A DNS-1123 label, as the names of nodes and namespaces are: safe in a NATS subject. */
export const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
