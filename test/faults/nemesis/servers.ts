import type { Component } from "../../../dev/controlplane/component.ts";
import type { World } from "../world.ts";
import type { Nemesis } from "./nemesis.ts";

/** SIGKILL to a server of the control plane, which comes back with its data. */
export const serverKill: Nemesis = {
  name: "server-kill",
  inject: (world, { target }) => serverOf(world, target).kill9(),
  heal: (world, { target }) => serverOf(world, target).restart(),
};

/** It hangs, its connections open. */
export const serverPause: Nemesis = {
  name: "server-pause",
  inject: (world, { target }) => serverOf(world, target).pause(),
  heal: (world, { target }) => serverOf(world, target).resume(),
};

function serverOf({ plane: { components } }: World, target: string): Component {
  const servers: readonly Component[] = [
    components.etcd,
    components["kube-apiserver"],
    components["nats-server"],
  ];
  const found = servers.find(({ name }) => name === target);
  if (found === undefined) throw new RangeError(`there is no server ${target}`);
  return found;
}
