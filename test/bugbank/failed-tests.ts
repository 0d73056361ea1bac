import { z } from "zod";

/** The part of vitest's JSON report that is read here. */
const reportSchema = z.object({
  testResults: z
    .array(
      z.object({
        assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })),
      }),
    )
    .default([]),
});

/**
 * The names of the tests that failed. A file that could not even be loaded has none: whatever else is wrong
 * then, no test has found the bug.
 */
export function failedTests(report: string): readonly string[] {
  if (report === "") return [];
  return reportSchema
    .parse(JSON.parse(report))
    .testResults.flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === "failed")
    .map(({ fullName }) => fullName);
}
