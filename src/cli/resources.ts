import { GROUP, VERSION } from "../api/group.ts";
import type { ResourceType } from "../kubernetes/resource-path.ts";

export const edgeCommands: ResourceType = {
  group: GROUP,
  version: VERSION,
  kind: "EdgeCommand",
  plural: "edgecommands",
};

export const edgeNodes: ResourceType = {
  group: GROUP,
  version: VERSION,
  kind: "EdgeNode",
  plural: "edgenodes",
};
