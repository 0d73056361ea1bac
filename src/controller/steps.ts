/**
 * The moments at which the controller may die and what survives differs: before and after everything that
 * lasts, or that somebody else sees.
 */
export const CONTROLLER_STEPS = [
  "status.writing",
  "status.written",
  /** A command goes to its node; what the node answered, if it did, is not taken note of yet. */
  "offer.sending",
  "offer.answered",
  "withdrawal.sending",
  "withdrawal.answered",
  "receipt.sending",
  "receipt.sent",
  /** A resource whose ttlAfterFinished has passed. */
  "resource.deleting",
  "resource.deleted",
] as const;

export type ControllerStep = (typeof CONTROLLER_STEPS)[number];

/** Told of each step as it is reached, for tests that end the process there. */
export interface Steps {
  reached(step: ControllerStep): void;
}

export const NO_STEPS: Steps = { reached: () => undefined };
