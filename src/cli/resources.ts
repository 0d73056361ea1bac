import { GROUP, VERSION } from "../api/group.ts";
import type { ResourceType } from "../kubernetes/resource-path.ts";

export const edgeNodes: ResourceType = {
  group: GROUP,
  version: VERSION,
  kind: "EdgeNode",
  plural: "edgenodes",
};
