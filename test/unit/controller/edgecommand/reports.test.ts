import { expect, test } from "vitest";

import {
  PendingReports,
  type PendingReport,
} from "../../../../src/controller/edgecommand/reports.ts";
import { edgeCommand, runReport } from "../../../support/builders.ts";

const KEY = "default/uptime";
const REPORT = runReport(edgeCommand());

function said(node: string, runID = REPORT.runID): PendingReport {
  return {
    report: { ...REPORT, runID },
    node,
    nodeNamespace: "default",
    giveReceipt: undefined,
  };
}

test("what one node says does not take the place of what another has said of the same run", () => {
  const reports = new PendingReports();
  reports.put(KEY, said("ship1"));
  reports.put(KEY, said("ship2"));
  expect(reports.get(KEY).map(({ node }) => node)).toEqual(["ship1", "ship2"]);
  reports.settle(KEY, reports.get(KEY));
  expect(reports.size).toBe(0);
});

test("a node that reports without end leaves room for the others", () => {
  const reports = new PendingReports();
  const isTaken = Array.from({ length: 20_000 }, (_, index) =>
    reports.put(`default/c${index}`, said("ship2", `run-${index}`)),
  );
  expect(isTaken.filter(Boolean)).toHaveLength(1_000);
  expect(reports.put(KEY, said("ship1"))).toBe(true);
  reports.settle("default/c0", reports.get("default/c0"));
  expect(reports.put("default/c0", said("ship2"))).toBe(true);
  expect(reports.put("default/c1", said("ship2"))).toBe(false);
});
