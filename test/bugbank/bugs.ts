import { AGENT_BUGS } from "./bugs/agent.ts";
import { CONTROLLER_BUGS } from "./bugs/controller.ts";
import { IDENTITY_BUGS } from "./bugs/identity.ts";
import { KUBERNETES_BUGS } from "./bugs/kubernetes.ts";
import { LEDGER_BUGS } from "./bugs/ledger.ts";
import type { Bug } from "./edit.ts";

/** Each breaks a promise of DESIGN §4 or §10, by a mistake of the size of a line. */
export const BUGS: readonly Bug[] = [
  ...LEDGER_BUGS,
  ...AGENT_BUGS,
  ...CONTROLLER_BUGS,
  ...KUBERNETES_BUGS,
  ...IDENTITY_BUGS,
];
