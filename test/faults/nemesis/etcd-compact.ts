import { compactEtcd } from "../etcd-backup.ts";
import type { Nemesis } from "./nemesis.ts";

/** What a watch could go on from is forgotten. */
export const etcdCompact: Nemesis = {
  name: "etcd-compact",
  inject: ({ plane }) => compactEtcd(plane),
  heal: async () => undefined,
};
