import type { Random } from "../../../src/runtime/random.ts";
import type { Fault } from "../../support/fault-proxy.ts";
import { pickWeighted } from "../../support/seeded-random.ts";
import { controllerOf } from "../world.ts";
import type { Nemesis } from "./nemesis.ts";

interface Trouble {
  readonly weight: number;
  readonly fault: Fault;
}

const status = (code: number, reason: string): string =>
  JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", reason, code });
const answer = (code: number, reason: string): Fault => ({
  kind: "answer",
  status: code,
  headers: { "content-type": "application/json" },
  body: status(code, reason),
});

const TROUBLES: readonly Trouble[] = [
  { weight: 2, fault: answer(500, "InternalError") },
  { weight: 2, fault: answer(503, "ServiceUnavailable") },
  { weight: 1, fault: answer(504, "Timeout") },
  {
    weight: 2,
    fault: { ...answer(429, "TooManyRequests"), headers: { "retry-after": "1" } } as Fault,
  },
  { weight: 1, fault: { kind: "answer", status: 502, body: "<html>bad gateway</html>" } },
  { weight: 3, fault: { kind: "refuse" } },
  // The write was done, and whoever asked for it does not get to know.
  { weight: 4, fault: { kind: "lose" } },
  { weight: 3, fault: { kind: "cut", at: '"resourceVersion"' } },
];

/** The API server, as one controller has it, fails some of the requests in every way it can. */
export const apiErrors: Nemesis = {
  name: "api-errors",
  inject: async (world, { target, params }) => {
    const { apiFaults } = controllerOf(world, target);
    const chance = (params["percent"] ?? 0) / 100;
    apiFaults.fault = () => trouble(world.random, chance);
    apiFaults.breakConnections();
  },
  heal: async (world, { target }) => {
    controllerOf(world, target).apiFaults.fault = () => undefined;
  },
};

function trouble(random: Random, chance: number): Fault | undefined {
  return random() < chance ? pickWeighted(random, TROUBLES)?.fault : undefined;
}
