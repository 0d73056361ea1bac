/** Who takes part in every run. Pure names: the schedule is made from them before anything is started. */

/** Each is a special machine in one respect, and a plain one otherwise. */
export const NODES = ["ship1", "ship2", "ship3", "ship4"] as const;
export type NodeName = (typeof NODES)[number];

/** Has namespaces of its own, so that the machine can die with all that runs on it. */
export const MORTAL_NODE = "ship2" satisfies NodeName;
/** Keeps its journal on a small file system. */
export const CRAMPED_NODE = "ship3" satisfies NodeName;
/** Its wall clock can be set. */
export const ODD_CLOCK_NODE = "ship4" satisfies NodeName;

export const CONTROLLERS = ["c1", "c2"] as const;
export type ControllerName = (typeof CONTROLLERS)[number];
export const ODD_CLOCK_CONTROLLER = "c2" satisfies ControllerName;
