import type { Hello } from "../protocol/hello.ts";
import { PROTOCOL } from "../protocol/version.ts";
import type { MachineFacts } from "./facts.ts";
import type { Ledger } from "./ledger.ts";
import type { Method } from "./methods/method.ts";
import type { AgentSecurity } from "./security.ts";

/** A hello but for what is different each time that it is said. */
export type OwnHello = Omit<Hello, "node" | "sequence" | "signedAt">;

export interface OwnHelloParts {
  readonly namespace: string;
  readonly agentVersion: string;
  readonly sessionID: string;
  readonly machine: MachineFacts;
  readonly methods: readonly Method[];
  readonly ledger: Ledger;
  readonly security: Pick<AgentSecurity, "sealingKey" | "trustSerial">;
}

/** What the agent has to say of itself at this moment. */
export function ownHello({ namespace, agentVersion, ...parts }: OwnHelloParts): OwnHello {
  const { clusterID } = parts.ledger;
  const { sealingKey, trustSerial } = parts.security;
  return {
    namespace,
    ...(clusterID === undefined ? {} : { clusterID }),
    sessionID: parts.sessionID,
    sealingKey: sealingKey.publicKey,
    ...(trustSerial === undefined ? {} : { trustSerial }),
    bootID: parts.machine.bootID,
    ledgerID: parts.ledger.ledgerID,
    ledgerCounter: parts.ledger.read.counter(),
    agentVersion,
    protocol: PROTOCOL,
    methods: parts.methods.map(({ name }) => name),
    facts: parts.machine.facts,
    ...parts.ledger.read.helloRuns(),
  };
}
