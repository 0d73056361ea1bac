import { expect, test } from "vitest";
import { nearest } from "../../../src/cli/nearest.ts";

const names = ["--node", "--nats-url", "--namespace", "--data-dir"];

test.each([
  { typed: "--node", want: "--node" },
  { typed: "--nod", want: "--node" },
  { typed: "--natsUrl", want: "--nats-url" },
  { typed: "--nmaespace", want: "--namespace" },
  { typed: "--datadri", want: "--data-dir" },
  { typed: "--verbose", want: undefined },
  { typed: "", want: undefined },
])("nearest to $typed is $want", ({ typed, want }) => {
  expect(nearest(typed, names)).toBe(want);
});
