import type { FaultName } from "../catalogue.ts";
import { apiErrors } from "./api-errors.ts";
import { clockJump } from "./clock-jump.ts";
import { diskFull } from "./disk-full.ts";
import { etcdCompact } from "./etcd-compact.ts";
import { etcdRestore } from "./etcd-restore.ts";
import { kill } from "./kill.ts";
import { linkCut, linkDelay, linkDrop, linkDuplicate, linkSilence } from "./links.ts";
import { machineDeath } from "./machine-death.ts";
import { natsWipe } from "./nats-wipe.ts";
import type { Nemesis } from "./nemesis.ts";
import { pause } from "./pause.ts";
import { restart } from "./restart.ts";
import { serverKill, serverPause } from "./servers.ts";

const ALL: Readonly<Record<FaultName, Nemesis>> = {
  kill,
  restart,
  pause,
  "machine-death": machineDeath,
  "disk-full": diskFull,
  "clock-jump": clockJump,
  "server-kill": serverKill,
  "server-pause": serverPause,
  "nats-wipe": natsWipe,
  "etcd-compact": etcdCompact,
  "etcd-restore": etcdRestore,
  "link-silence": linkSilence,
  "link-cut": linkCut,
  "link-delay": linkDelay,
  "link-drop": linkDrop,
  "link-duplicate": linkDuplicate,
  "api-errors": apiErrors,
};

export function nemesisOf(fault: FaultName): Nemesis {
  return ALL[fault];
}
