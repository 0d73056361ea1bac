import { describe, expect, test } from "vitest";
import { duration, flag, list, optional, text } from "../../../src/cli/option.ts";
import { parseOptions } from "../../../src/cli/options.ts";
import type { Program } from "../../../src/cli/program.ts";

const options = {
  name: text({
    description: "A name.",
    placeholder: "name",
    check: (given) => /^[a-z]+$/.test(given),
    expected: "letters",
    hint: (given) => `; ${given.toLowerCase()} would do`,
  }),
  dataDir: optional(text({ description: "A path.", placeholder: "path", expected: "a path" })),
  helloInterval: duration(
    { minMs: 1_000, maxMs: 3_600_000 },
    { description: "How often.", default: "30s" },
  ),
  registerNodes: flag({ description: "Whether.", default: "true" }),
  keys: list({
    description: "Secret things.",
    placeholder: "key,…",
    default: "k1",
    check: (given) => given.startsWith("k"),
    expected: "keys",
    redact: () => "(hidden)",
    sanitise: (key) => `${key.slice(0, 1)}***`,
  }),
};
const program: Program<typeof options> = {
  command: "steward test",
  summary: "Tests.",
  options,
  examples: [{ what: "An example", command: "steward test --name x" }],
};

interface Start {
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
}

function parse({ argv = [], env = {}, files = {} }: Start) {
  return parseOptions(program, argv, env, (path) => {
    const content = files[path];
    if (content === undefined) throw new Error(`ENOENT: no such file, open '${path}'`);
    return content;
  });
}

const DEFAULTS = {
  name: "x",
  dataDir: undefined,
  helloIntervalMs: 30_000,
  registerNodes: true,
  keys: ["k1"],
};

function file(content: string): Start {
  return { argv: ["--config", "/c.yaml"], files: { "/c.yaml": content } };
}

function compiled(start: Start): unknown {
  const parsed = parse(start);
  return parsed.kind === "options" ? parsed.options : parsed;
}

describe("options compile", () => {
  test.each([
    {
      name: "from flags",
      start: { argv: ["--name", "x", "--data-dir", "/d"] },
      want: { dataDir: "/d" },
    },
    {
      name: "from --flag=value",
      start: { argv: ["--name=x", "--data-dir=a=b"] },
      want: { dataDir: "a=b" },
    },
    {
      name: "from a value with one dash",
      start: { argv: ["--name=x", "--data-dir", "-"] },
      want: { dataDir: "-" },
    },
    {
      name: "from --no-flag",
      start: { argv: ["--name=x", "--no-register-nodes"] },
      want: { registerNodes: false },
    },
    {
      name: "a boolean of the environment",
      start: { env: { STEWARD_NAME: "x", STEWARD_REGISTER_NODES: "false" } },
      want: { registerNodes: false },
    },
    {
      name: "a duration to milliseconds",
      start: { argv: ["--name=x", "--hello-interval", "1m30s"] },
      want: { helloIntervalMs: 90_000 },
    },
    {
      name: "a list from text with commas",
      start: { env: { STEWARD_NAME: "x", STEWARD_KEYS: "k1, k2" } },
      want: { keys: ["k1", "k2"] },
    },
    {
      name: "an empty variable as if it were not set",
      start: { argv: ["--name=x"], env: { STEWARD_DATA_DIR: "" } },
      want: {},
    },
    {
      name: "every type from a file",
      start: file(
        "name: x\ndataDir: /d\nhelloInterval: 5s\nregisterNodes: false\nkeys: [k2, k3]\n",
      ),
      want: { dataDir: "/d", helloIntervalMs: 5_000, registerNodes: false, keys: ["k2", "k3"] },
    },
    {
      name: "a key without value as if it were not there",
      start: file("name: x\ndataDir:\n"),
      want: {},
    },
    {
      name: "the file that the environment names",
      start: { env: { STEWARD_CONFIG: "/c.yaml" }, files: { "/c.yaml": "name: x" } },
      want: {},
    },
    {
      name: "an empty file",
      start: { argv: ["--name=x", "--config=/c"], files: { "/c": "# nothing\n" } },
      want: {},
    },
  ])("$name", ({ start, want }) => {
    expect(compiled(start)).toEqual({ ...DEFAULTS, ...want });
  });

  test("with flags over the environment over the file over the default", () => {
    const files = { "/c": "name: file\ndataDir: file\nhelloInterval: 3s\n" };
    const env = { STEWARD_NAME: "env", STEWARD_DATA_DIR: "env" };
    expect(compiled({ argv: ["--name", "flag", "--config", "/c"], env, files })).toEqual({
      ...DEFAULTS,
      name: "flag",
      dataDir: "env",
      helloIntervalMs: 3_000,
    });
  });

  test("without a look at what is overridden", () => {
    const env = { STEWARD_HELLO_INTERVAL: "soon" };
    const argv = ["--name=x", "--hello-interval=2s"];
    expect(compiled({ argv, env })).toEqual({ ...DEFAULTS, helloIntervalMs: 2_000 });
  });

  test("to something that cannot be changed", () => {
    expect(Object.isFrozen(compiled({ argv: ["--name=x"] }))).toBe(true);
  });

  test("in the presence of what the kubelet tells of services called steward", () => {
    const env = {
      STEWARD_NAME: "x",
      STEWARD_SERVICE_HOST: "10.0.0.1",
      STEWARD_SERVICE_PORT: "443",
      STEWARD_SERVICE_PORT_METRICS: "8080",
      STEWARD_PORT: "tcp://10.0.0.1:443",
      STEWARD_PORT_443_TCP: "tcp://10.0.0.1:443",
      STEWARD_PORT_443_TCP_ADDR: "10.0.0.1",
      STEWARD_WEB_HOOK_SERVICE_HOST: "10.0.0.2",
      STEWARD_WEB_HOOK_PORT: "tcp://10.0.0.2:443",
      PATH: "/bin",
    };
    expect(compiled({ env })).toEqual(DEFAULTS);
  });

  test("to a form for the log in which secrets are hidden", () => {
    const parsed = parse({ argv: ["--name=x", "--keys=k-secret,k2"] });
    expect(parsed).toMatchObject({ printable: { ...DEFAULTS, keys: ["k***", "k***"] } });
  });
});

describe("a start is refused with", () => {
  const ok = "--name=x";
  const inFile = (content: string): Start => ({
    argv: [ok, "--config=/c.yaml"],
    files: { "/c.yaml": content },
  });
  test.each([
    { start: {}, want: "--name is required (or STEWARD_NAME, or name in a --config file)" },
    { start: { argv: ["--name"] }, want: "--name: the value is missing" },
    { start: { argv: ["--name", "--no-register-nodes"] }, want: "--name: the value is missing" },
    { start: { argv: [ok, "--name", "y"] }, want: "--name: given more than once" },
    {
      start: { argv: [ok, "--register-nodes", "--no-register-nodes"] },
      want: "--no-register-nodes: given more than once",
    },
    { start: { argv: [ok, "serve"] }, want: '"serve": unexpected argument' },
    {
      start: { argv: [ok, "--helo-interval", "5s"] },
      want: "--helo-interval: unknown flag; did you mean --hello-interval?",
    },
    {
      start: { argv: [ok, "--dataDir=/d"] },
      want: "--dataDir: unknown flag; did you mean --data-dir?",
    },
    { start: { argv: [ok, "--frobnicate"] }, want: "--frobnicate: unknown flag" },
    {
      start: { argv: ["--name=Ship"] },
      want: '--name: got "Ship", expected letters; ship would do',
    },
    {
      start: { env: { STEWARD_NAME: "A" } },
      want: 'STEWARD_NAME: got "A", expected letters; a would do',
    },
    { start: { argv: [ok, "--data-dir="] }, want: '--data-dir: got "", expected a path' },
    {
      start: { argv: [ok, "--hello-interval", "30"] },
      want: '--hello-interval: got "30", expected a duration such as 90s, 5m or 1h30m, from 1s to 1h',
    },
    {
      start: { argv: [ok, "--hello-interval", "2h"] },
      want: '--hello-interval: got "2h", expected a duration such as 90s, 5m or 1h30m, from 1s to 1h',
    },
    {
      start: { argv: [ok], env: { STEWARD_REGISTER_NODES: "yes" } },
      want: 'STEWARD_REGISTER_NODES: got "yes", expected true or false',
    },
    {
      start: { argv: [ok], env: { STEWARD_DATADIR: "/d" } },
      want: "STEWARD_DATADIR: unknown environment variable; did you mean STEWARD_DATA_DIR?",
    },
    {
      start: { argv: [ok], env: { STEWARD_PORT: "80" } },
      want: "STEWARD_PORT: unknown environment variable",
    },
    { start: { argv: [ok, "--keys", "k1,hunter2"] }, want: "--keys: got (hidden), expected keys" },
    {
      start: inFile("data-dir: /d"),
      want: "data-dir in /c.yaml: unknown key; did you mean dataDir?",
    },
    { start: inFile("constructor: 1"), want: "constructor in /c.yaml: unknown key" },
    {
      start: inFile("dataDir: 7"),
      want: "dataDir in /c.yaml: got 7, expected a path; quotes make it text",
    },
    {
      start: inFile("registerNodes: [1]"),
      want: "registerNodes in /c.yaml: got [1], expected true or false",
    },
    { start: inFile("- a\n- b\n"), want: "/c.yaml: expected a mapping of option names to values" },
    {
      start: inFile("dataDir: /a\ndataDir: /b\n"),
      want: "/c.yaml:2:1: not YAML: Map keys must be unique",
    },
    { start: inFile("dataDir: 'secret"), want: "/c.yaml:1:17: not YAML: Missing closing 'quote" },
    { start: { argv: [ok, "--config"] }, want: "--config: the value is missing" },
    { start: { argv: [ok, "--config="] }, want: '--config: got "", expected a path' },
    {
      start: { argv: [ok, "--config=/no"] },
      want: "/no: cannot be read: ENOENT: no such file, open '/no'",
    },
  ])("$want", ({ start, want }) => {
    expect(parse(start)).toEqual({
      kind: "error",
      text: `steward test: cannot start\n  ${want}\nSee steward test --help\n`,
    });
  });

  test("all that is wrong with it, in one text", () => {
    const parsed = parse({
      argv: ["--nmae", "x", "--config", "/c"],
      env: { STEWARD_KEY: "1", STEWARD_HELLO_INTERVAL: "1d" },
      files: { "/c": "registerNodes: maybe\nkey: 1\n" },
    });
    expect(parsed).toMatchObject({
      text: `steward test: cannot start
  --nmae: unknown flag; did you mean --name?
  STEWARD_KEY: unknown environment variable; did you mean STEWARD_KEYS?
  key in /c: unknown key; did you mean keys?
  --name is required (or STEWARD_NAME, or name in a --config file)
  STEWARD_HELLO_INTERVAL: got "1d", expected a duration such as 90s, 5m or 1h30m, from 1s to 1h
  registerNodes in /c: got "maybe", expected true or false
See steward test --help
`,
    });
  });
});

describe("help", () => {
  test.each([["--help"], ["-h"]])("is given for %s, whatever else is there", (word) => {
    expect(parse({ argv: ["--nonsense", word] }).kind).toBe("help");
  });

  test("has usage, options with default and environment, and examples", () => {
    expect(parse({ argv: ["--help"] })).toEqual({
      kind: "help",
      text: `Usage: steward test --name <name> [options]

Tests.

Options:
  --name <name>                A name.
                               [required] [env: STEWARD_NAME]
  --data-dir <path>            A path.
                               [env: STEWARD_DATA_DIR]
  --hello-interval <duration>  How often.
                               [default: 30s] [env: STEWARD_HELLO_INTERVAL]
  --[no-]register-nodes        Whether.
                               [default: true] [env: STEWARD_REGISTER_NODES]
  --keys <key,…>               Secret things.
                               [default: k1] [env: STEWARD_KEYS]
  --config <file>              A YAML file with options.
                               [env: STEWARD_CONFIG]
  --help                       Print this and exit.

Every option can also be given in the environment, or in the configuration file under its name in
camelCase. A flag wins over the environment, that over the file, that over the default.

Examples:
  # An example
  steward test --name x
`,
    });
  });
});
