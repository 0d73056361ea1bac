import { EndRequest } from "../../../src/agent/end-request.ts";
import { runProcess, type ProcessSpec } from "../../../src/agent/process-runner.ts";
import { RunSpool } from "../../../src/agent/run-spool.ts";
import { systemClock } from "../../../src/runtime/clock.ts";

// An agent in a process of its own, to be killed: `node earlier-agent.ts <dataDir> <ProcessSpec as JSON>`.
const [dataDir = "", spec = ""] = process.argv.slice(2);
await runProcess(
  JSON.parse(spec) as ProcessSpec,
  { end: new EndRequest(), onForked: () => undefined },
  { clock: systemClock, killGraceMs: 300, spool: new RunSpool(dataDir) },
);
