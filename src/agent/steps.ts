/**
 * The moments at which the agent may die and what survives differs: around every commit, every message and
 * the making of a process. In the order in which a run comes by them.
 */
export const AGENT_STEPS = [
  /** A command, or a withdrawal, is decided on and written down. */
  "accepted.committing",
  "accepted.committed",
  "ack.sending",
  "ack.sent",
  "starting.committing",
  "starting.committed",
  "wrapper.spawning",
  "wrapper.spawned",
  "running.committing",
  "running.committed",
  /** The attempt is over, and nothing of that is written down. */
  "exit.noticed",
  "retry.committing",
  "retry.committed",
  "result.committing",
  "result.committed",
  /** The files of the run's attempts are gone. */
  "spool.removed",
  "result.sending",
  "receipt.committing",
  "receipt.committed",
  /** A later agent takes up what an earlier one had started. */
  "reattachment.beginning",
  "neverStarted.committing",
  "neverStarted.committed",
] as const;

export type AgentStep = (typeof AGENT_STEPS)[number];

/** Told of each step as it is reached, for tests that end the process there. */
export interface Steps {
  reached(step: AgentStep): void;
}

export const NO_STEPS: Steps = { reached: () => undefined };
