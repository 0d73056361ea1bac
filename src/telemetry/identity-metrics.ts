import { ENROLL_REFUSALS, type EnrollRefusal } from "../protocol/enroll.ts";
import type { Count, Instruments } from "./instruments.ts";
import { SUBJECT_KINDS, subjectKind, type SubjectKind } from "./subject-kind.ts";

/** Who is believed, who is let in, and who is thrown out. No label has a name of a node. */
export class IdentityMetrics {
  readonly #distrusted: Count<"subject_kind">;
  readonly #enrolled: Count<never>;
  readonly #refused: Count<"reason">;
  readonly #revocationFailures: Count<never>;

  constructor(instruments: Instruments) {
    this.#distrusted = instruments.counter({
      name: "steward_untrusted_messages_total",
      help: "Messages that were not signed by who may speak there, by the kind of their subject.",
      labels: ["subject_kind"],
    });
    for (const kind of SUBJECT_KINDS)
      this.#distrusted({ subject_kind: kind satisfies SubjectKind }, 0);
    this.#enrolled = instruments.counter({
      name: "steward_node_credentials_issued_total",
      help: "Credentials that nodes were given: to join, and to go on.",
    });
    this.#refused = instruments.counter({
      name: "steward_enrollments_refused_total",
      help: "Requests of nodes for credentials that were refused, by the reason.",
      labels: ["reason"],
    });
    for (const reason of ENROLL_REFUSALS) this.#refused({ reason }, 0);
    this.#revocationFailures = instruments.counter({
      name: "steward_revocation_failures_total",
      help: "Times that what is revoked could not be handed to the broker; it is tried again.",
    });
  }

  distrusted(subject: string): void {
    this.#distrusted({ subject_kind: subjectKind(subject) });
  }

  enrolled(): void {
    this.#enrolled({});
  }

  enrollmentRefused(reason: EnrollRefusal): void {
    this.#refused({ reason });
  }

  revocationFailed(): void {
    this.#revocationFailures({});
  }
}
