import {
  CertificateError,
  certifyAuthority,
  checkAuthority,
  checkServerCertificate,
  isDueForRenewal,
  issueServerCertificate,
  makeAuthority,
  makeServerKey,
  namesMissing,
  namesOf,
  type Authority,
} from "./authority.ts";
import type { KeySetDraft } from "./key-set-draft.ts";
import { KeySetError, type KeyFile } from "./key-set-layout.ts";
import { refuseIfNamed } from "./key-set-seeds.ts";

const CA_FILES: readonly KeyFile[] = [
  "identity/ca.crt",
  "controller/ca.crt",
  "nats/ca.crt",
  "enrollment/ca.crt",
];
const REMAKE = "put back the one that belongs to these keys, or remove it to have it made again";

export interface CertificateOptions {
  /** Unix time in milliseconds. */
  readonly now: number;
  /** What agents and the controller call the broker's servers: DNS names and IP addresses. */
  readonly serverNames: readonly string[];
  /** One to take instead of making one. */
  readonly authority?: Authority;
}

/** Throws a KeySetError. */
export async function completeCertificates(
  draft: KeySetDraft,
  options: CertificateOptions,
): Promise<void> {
  const authority = await completeAuthority(draft, options);
  await attempt("nats/tls.crt", () => completeServerCertificate(draft, authority, options));
}

async function completeAuthority(
  draft: KeySetDraft,
  options: CertificateOptions,
): Promise<Authority> {
  const { now, authority: given } = options;
  refuseAnother(draft, given);
  const authority = await attempt("identity/ca.key", () => authorityOf(draft, options));
  await attempt("identity/ca.crt", () => checkAuthority(authority, now));
  draft.make("identity/ca.key", authority.key);
  for (const file of CA_FILES) {
    draft.make(file, authority.certificate);
    // More than that may be in it: an earlier one, or the next.
    if (!(draft.get(file) ?? "").includes(authority.certificate.trim())) {
      throw new KeySetError(file, `lacks the certificate of identity/ca.crt: ${REMAKE}`);
    }
  }
  return authority;
}

async function authorityOf(draft: KeySetDraft, options: CertificateOptions): Promise<Authority> {
  const { now, authority: given } = options;
  const certificate = draft.firstOf(CA_FILES)?.text ?? given?.certificate;
  const key = draft.get("identity/ca.key") ?? given?.key;
  if (key !== undefined) {
    return { key, certificate: certificate ?? (await certifyAuthority(key, now)) };
  }
  refuseIfNamed(draft, "identity/ca.key", [...CA_FILES, "nats/tls.crt"]);
  return makeAuthority(now);
}

function refuseAnother(draft: KeySetDraft, given: Authority | undefined): void {
  const there = draft.firstOf(CA_FILES);
  if (given === undefined || there === undefined) return;
  if (there.text.includes(given.certificate.trim())) return;
  throw new KeySetError(
    there.file,
    "is another authority than the given one, and is never overwritten",
  );
}

async function completeServerCertificate(
  draft: KeySetDraft,
  authority: Authority,
  { now, serverNames }: CertificateOptions,
): Promise<void> {
  const hadKey = draft.has("nats/tls.key");
  draft.make("nats/tls.key", makeServerKey());
  const key = draft.get("nats/tls.key") ?? "";
  const there = draft.get("nats/tls.crt");
  if (there !== undefined && hadKey) {
    checkServerCertificate(there, key, authority);
    const isFine = namesMissing(there, serverNames).length === 0 && !isDueForRenewal(there, now);
    if (isFine) return;
  }
  const names = [...new Set([...(there === undefined ? [] : namesOf(there)), ...serverNames])];
  if (names.length === 0) {
    throw new CertificateError(
      "is to be made, and needs the names and addresses under which the broker is reached (--server-name)",
    );
  }
  draft.renew("nats/tls.crt", await issueServerCertificate(authority, { names, key, now }));
}

async function attempt<T>(file: KeyFile, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (!(cause instanceof CertificateError)) throw cause;
    throw new KeySetError(file, cause.message, { cause });
  }
}
