import { globSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { importsOf, tokensOf, type Token } from "../support/source-scan.ts";

const ROOT = new URL("../../", import.meta.url);

/** DESIGN §8: imports go to a lower rank, or stay in the folder. */
const RANKS: ReadonlyMap<string, number> = new Map([
  ["runtime", 0],
  ["api", 1],
  ["protocol", 1],
  ["identity", 1],
  ["kubernetes", 2],
  ["nats", 2],
  ["telemetry", 2],
  ["controller", 3],
  ["agent", 3],
  ["cli", 4],
]);

/** Pairs that the ranks would allow. */
const NEVER: readonly (readonly [string, string])[] = [["agent", "api"]];

/** The only folders that may import a package; one that is not named here may not be imported at all. */
const PACKAGES: ReadonlyMap<string, readonly string[]> = new Map([
  ["@kubernetes/client-node", ["kubernetes"]],
  ["undici", ["kubernetes"]],
  ["nats", ["nats"]],
  ["@nats-io/jetstream", ["nats"]],
  ["@nats-io/jwt", ["identity"]],
  ["@nats-io/nkeys", ["identity"]],
  ["@peculiar/x509", ["identity"]],
  ["reflect-metadata", ["identity"]],
  ["pino", ["telemetry"]],
  ["prom-client", ["telemetry"]],
  ["zod", ["api", "protocol", "identity", "cli"]],
  ["yaml", ["cli"]],
]);

/** The parts of `process` that belong to the composition root. */
const PROCESS_MEMBERS = [
  "abort",
  "addListener",
  "argv",
  "env",
  "execArgv",
  "exit",
  "exitCode",
  "on",
  "once",
  "prependListener",
];

/** Where time and chance come from: `Clock` and `Random` are arguments everywhere else. */
const TIME_GLOBALS = ["setTimeout", "setInterval"];
const TIME_MEMBERS: ReadonlyMap<string, readonly string[]> = new Map([
  ["Date", ["now"]],
  ["Math", ["random"]],
  ["performance", ["now", "timeOrigin"]],
  ["AbortSignal", ["timeout"]],
  ["process", ["hrtime", "uptime"]],
]);
const CLOCK = "src/runtime/clock.ts";

/** Every violation in a file, each as `file:line: what: rule`. */
function violations(file: string, source: string): string[] {
  const folder = folderOf(file);
  if (folder === undefined) return [`${file}: is in no folder that has a rank (DESIGN §8)`];
  const tokens = tokensOf(source);
  const found = importsOf(tokens).map(({ from, line }) => ({
    line,
    what: `import of ${from === undefined ? "something computed" : JSON.stringify(from)}`,
    rule: from === undefined ? "imports name what they import" : brokenByImport(file, folder, from),
  }));
  if (posix.basename(file).startsWith("index.")) {
    found.push({ line: 1, what: "index file", rule: "no barrels" });
  }
  for (const [index, token] of tokens.entries()) {
    const [what, rule] = brokenByToken(file, folder, tokens.slice(index, index + 4)) ?? [];
    const isMember = [".", "?."].includes(tokens[index - 1]?.text ?? "");
    const ofGlobal = tokens[index - 2]?.text === "globalThis";
    if (what === undefined || (isMember && !ofGlobal)) continue;
    found.push({ line: token.line, what, rule });
  }
  return found
    .filter(({ rule }) => rule !== undefined)
    .map(({ line, what, rule }) => `${file}:${line}: ${what}: ${rule}`);
}

function folderOf(file: string): string | undefined {
  const [src, folder, ...rest] = file.split("/");
  return src === "src" && folder !== undefined && RANKS.has(folder) && rest.length > 0
    ? folder
    : undefined;
}

function brokenByImport(file: string, folder: string, from: string): string | undefined {
  if (from.startsWith("node:")) {
    return from === "node:process" && folder !== "cli" ? "only src/cli has the process" : undefined;
  }
  if (from.startsWith(".")) {
    return brokenByTarget(folder, posix.join(posix.dirname(file), from));
  }
  const name = from.split("/", from.startsWith("@") ? 2 : 1).join("/");
  const allowed = PACKAGES.get(name);
  if (allowed === undefined) return "DESIGN §8 names no folder that may import this package";
  if (allowed.includes(folder)) return undefined;
  return `only ${allowed.map((one) => `src/${one}`).join(", ")} may import it`;
}

function brokenByTarget(folder: string, target: string): string | undefined {
  if (target === "package.json" && folder === "cli") return undefined;
  const other = folderOf(target);
  if (other === undefined) return "imports stay inside src/";
  if (other === folder) return undefined;
  if (NEVER.some(([from, to]) => from === folder && to === other)) {
    return `src/${folder} never imports src/${other}`;
  }
  const [own = 0, its = 0] = [RANKS.get(folder), RANKS.get(other)];
  if (its < own) return undefined;
  return its === own
    ? `src/${folder} and src/${other} have the same rank (${own}) and do not import each other`
    : `imports go down: src/${folder} has rank ${own}, src/${other} rank ${its}`;
}

type Broken = readonly [what: string, rule: string];

/** What is wrong with the code that starts with the first of these tokens. */
function brokenByToken(
  file: string,
  folder: string,
  [first, ...next]: readonly Token[],
): Broken | undefined {
  if (first?.kind !== "word") return undefined;
  const following = next.map(({ text }) => text);
  if (isDefaultExport(first.text, following)) return ["default export", "exports have names"];
  return folder === "cli" ? undefined : brokenByGlobal(file, first.text, following);
}

function brokenByGlobal(file: string, word: string, next: readonly string[]): Broken | undefined {
  const member = memberOf(next) ?? "";
  if (word === "process" && PROCESS_MEMBERS.includes(member)) {
    return [`process.${member}`, "arguments, environment, signals and exit belong to src/cli"];
  }
  if (file === CLOCK) return undefined;
  const rule = "time and chance come from runtime's Clock and Random";
  if (TIME_GLOBALS.includes(word)) return [word, rule];
  if (TIME_MEMBERS.get(word)?.includes(member) === true) return [`${word}.${member}`, rule];
  return isCurrentDate(word, next) ? ["new Date()", rule] : undefined;
}

function isDefaultExport(word: string, [next, , third]: readonly string[]): boolean {
  return (
    (word === "export" && next === "default") ||
    (word === "as" && next === "default" && third !== "from")
  );
}

/** `.name` or `["name"]`. */
function memberOf([next, name]: readonly string[]): string | undefined {
  return next === "." || next === "?." || next === "[" ? name : undefined;
}

/** `Date()`, also after `new`, and `new Date` without parentheses. */
function isCurrentDate(word: string, [next, second]: readonly string[]): boolean {
  if (word === "Date") return next === "(" && second === ")";
  return word === "new" && next === "Date" && second !== "(";
}

const files = globSync("src/**/*.{ts,mts,cts,js}", { cwd: ROOT.pathname }).toSorted();

describe("the architecture (DESIGN §8)", () => {
  test("is kept by every file in src/", () => {
    expect(files.length).toBeGreaterThan(50);
    const found = files.flatMap((file) =>
      violations(file, readFileSync(new URL(file, ROOT), "utf8")),
    );
    expect(found).toEqual([]);
  });

  test("has a rank for every folder in src/, and no rank without one", () => {
    expect(new Set(files.map((file) => folderOf(file)))).toEqual(new Set(RANKS.keys()));
  });
});

describe("the check of the architecture", () => {
  const plan = "src/controller/edgecommand/plan.ts";
  const method = "src/agent/methods/exec.ts";

  test.each<[string, string, RegExp]>([
    [plan, 'import { a } from "../../cli/a.ts";', /imports go down: .*rank 3, src\/cli rank 4$/],
    [plan, 'import type { A } from "../../agent/a.ts";', /same rank \(3\)/],
    [plan, 'export { a } from "../../agent/a.ts";', /same rank/],
    [plan, 'export * from "../../agent/a.ts";', /same rank/],
    [plan, 'import {\n  type A,\n  b,\n} from "../../agent/a.ts";', /plan\.ts:4: .*same rank/],
    [plan, 'import "../../agent/a.ts";', /same rank/],
    [plan, 'const a = await import("../../agent/a.ts");', /same rank/],
    [plan, 'type A = import("../../agent/a.ts").A;', /same rank/],
    [plan, 'const a = `${await import("../../agent/a.ts")}`;', /same rank/],
    [plan, "const a = import(`../../agent/${name}.ts`);", /name what they import/],
    [plan, 'const a = import("../../agent/" + name);', /name what they import/],
    [plan, 'const a = require("../../agent/a.ts");', /same rank/],
    [plan, 'import { a } from "../../../dev/a.ts";', /stay inside src/],
    [plan, 'import p from "../../../package.json" with { type: "json" };', /stay inside src/],
    [method, 'import type { A } from "../../api/a.ts";', /src\/agent never imports src\/api/],
    ["src/api/a.ts", 'import { a } from "../protocol/a.ts";', /same rank \(1\)/],
    [
      "src/runtime/a.ts",
      'import { z } from "zod";',
      /only src\/api, src\/protocol, src\/identity, src\/cli/,
    ],
    [plan, 'import { request } from "undici";', /only src\/kubernetes may import it/],
    [plan, 'import type { V1Pod } from "@kubernetes/client-node";', /only src\/kubernetes/],
    [plan, 'import { x } from "@kubernetes/client-node/dist/x.js";', /only src\/kubernetes/],
    ["src/kubernetes/a.ts", 'import { connect } from "nats";', /only src\/nats/],
    ["src/agent/a.ts", 'import pino from "pino";', /only src\/telemetry/],
    ["src/controller/a.ts", 'import { parse } from "yaml";', /only src\/cli/],
    ["src/cli/a.ts", 'import _ from "lodash";', /names no folder/],
    ["src/cli/a.ts", 'import fs from "fs";', /names no folder/],
    [plan, 'import { env } from "node:process";', /only src\/cli has the process/],
    [plan, "export default 1;", /default export: exports have names/],
    [plan, "export { a as default };", /default export/],
    ["src/agent/index.ts", "", /index file: no barrels/],
    ["src/lonely.ts", "", /in no folder that has a rank/],
    ["src/utils/a.ts", "", /in no folder that has a rank/],
    [plan, "process.env.HOME;", /process\.env: .*belong to src\/cli/],
    [plan, 'process["argv"];', /process\.argv/],
    [plan, 'process.on("SIGTERM", stop);', /process\.on/],
    [plan, "globalThis.process.exit(1);", /process\.exit/],
    [plan, "const now = Date.now();", /Date\.now: time and chance/],
    [plan, "const now = new Date();", /new Date\(\): time/],
    [plan, "const now = new Date;", /new Date\(\)/],
    [plan, "const text = Date();", /new Date\(\)/],
    [plan, "const x = `at ${Date.now()} s`;", /Date\.now/],
    [plan, "const x = a / b; /* c */ Math.random(); // d / e", /Math\.random/],
    [plan, "const random = Math.random;", /Math\.random/],
    [plan, "performance.now();", /performance\.now/],
    [plan, "setTimeout(f, 1);", /setTimeout: time/],
    [plan, "globalThis.setTimeout(f, 1);", /setTimeout/],
    [plan, 'import { setTimeout as sleep } from "node:timers/promises";', /setTimeout/],
    [plan, "setInterval(f, 1);", /setInterval/],
    [plan, "AbortSignal.timeout(1);", /AbortSignal\.timeout/],
  ])("finds in %s: %s", (file, source, want) => {
    const found = violations(file, source);
    expect(found).toEqual([expect.stringMatching(want)]);
    expect(found[0]?.startsWith(file)).toBe(true);
  });

  test.each<[string, string]>([
    [plan, 'import type { A } from "../../api/v1alpha1/a.ts";'],
    [plan, 'import { a } from "./status.ts"; import { b } from "../edgenode/b.ts";'],
    [plan, 'import { createHash } from "node:crypto";'],
    [plan, "// import { a } from '../../cli/a.ts'; Date.now()"],
    [plan, "/** `Date.now()` and process.env are not for us. */"],
    [plan, 'const text = "process.env and Date.now()";'],
    [plan, "const text = `Date.now() ${a} Math.random() ${{ b: 1 }} setTimeout`;"],
    [plan, 'const pattern = /Date.now()|"process.env/;'],
    [plan, "const date = new Date(now); socket.setTimeout(5); run.process(signal);"],
    [plan, "await process(signal); process.kill(pid);"],
    [plan, 'import { default as a } from "./status.ts";'],
    [plan, "const from = 1; const imported = from; class A { constructor() {} toString() {} }"],
    [plan, "loader.import(x); thing.require(y); import.meta.url;"],
    ["src/runtime/clock.ts", "Date.now(); setTimeout(f, 1); performance.now();"],
    ["src/cli/main.ts", 'process.on("SIGTERM", stop); Math.random; process.env;'],
    ["src/cli/version.ts", 'import p from "../../package.json" with { type: "json" };'],
    ["src/kubernetes/a.ts", 'import { request } from "undici";'],
    ["src/nats/a.ts", 'import { jetstream } from "@nats-io/jetstream";'],
  ])("finds nothing in %s: %s", (file, source) => {
    expect(violations(file, source)).toEqual([]);
  });
});
