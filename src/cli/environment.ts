import { didYouMean } from "./nearest.ts";
import { ENV_PREFIX, namesOf, type Given, type OptionTable, type Source } from "./program.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads every variable `STEWARD_…`. An empty one counts as not set. */
export function readEnvironment(env: Environment, options: OptionTable): Source {
  const keys = new Map(Object.keys(options).map((key) => [namesOf(key).env, key]));
  const given = new Map<string, Given>();
  const problems: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(ENV_PREFIX)) continue;
    const key = keys.get(name);
    if (key === undefined && !isServiceLink(name, value)) {
      problems.push(`${name}: unknown environment variable${didYouMean(name, [...keys.keys()])}`);
    } else if (key !== undefined && value !== undefined && value !== "") {
      given.set(key, { origin: name, value });
    }
  }
  return { given, problems };
}

/**
 * The kubelet tells each container of the services in its namespace: one called `steward` sets
 * `STEWARD_SERVICE_HOST`, `STEWARD_PORT=tcp://…`, `STEWARD_PORT_443_TCP_ADDR` and more of the kind.
 */
function isServiceLink(name: string, value: string | undefined): boolean {
  if (/_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$/.test(name)) return true;
  if (/_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name)) return true;
  return name.endsWith("_PORT") && /^(tcp|udp|sctp):\/\//.test(value ?? "");
}
