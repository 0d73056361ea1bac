import { describe, expect, test } from "vitest";
import { agentProgram } from "../../../src/cli/agent-options.ts";
import { controllerProgram, problemOf } from "../../../src/cli/controller-options.ts";
import { parseOptions } from "../../../src/cli/options.ts";

const noFiles = (path: string): string => {
  throw new Error(`ENOENT: ${path}`);
};
const agent = (...argv: string[]) => parseOptions(agentProgram, argv, {}, noFiles);
const controller = (...argv: string[]) => parseOptions(controllerProgram, argv, {}, noFiles);

describe("the agent's options", () => {
  test("need nothing: who the node is, and where its broker is, stands in its identity", () => {
    expect(agent()).toMatchObject({
      options: {
        insecure: false,
        node: undefined,
        namespace: undefined,
        natsUrl: undefined,
        dataDir: "/var/lib/steward",
        helloIntervalMs: 30_000,
        killGracePeriodMs: 5_000,
        maxRunningCommands: 4,
        maxOutput: 268_435_456,
        logLevel: "info",
      },
    });
  });

  test.each([
    { given: "Ship.One", hint: "; ship-one would do" },
    { given: "___", hint: "" },
  ])("refuse $given as a node, and name one that would do", ({ given, hint }) => {
    const expected = "at most 63 lower-case letters, digits and dashes, no dash first or last";
    expect(agent("--node", given)).toMatchObject({
      text: expect.stringContaining(`--node: got "${given}", expected ${expected}${hint}\n`),
    });
  });

  test("refuse a relative data directory: it would move with the working directory", () => {
    expect(agent("--node=a", "--data-dir=data")).toMatchObject({
      text: expect.stringContaining('--data-dir: got "data", expected an absolute path\n'),
    });
  });

  test("take a whole number of commands to run at once", () => {
    const given = agent("--node=a", "--max-running-commands=16");
    expect(given).toMatchObject({ options: { maxRunningCommands: 16 } });
  });

  test.each(["0", "257", "1.5", "-1", "many", ""])(
    "refuse %j commands to run at once",
    (number) => {
      expect(agent("--node=a", `--max-running-commands=${number}`)).toMatchObject({
        text: expect.stringContaining("expected a whole number from 1 to 256\n"),
      });
    },
  );
});

describe("the controller's options", () => {
  test("need nothing", () => {
    expect(controller()).toMatchObject({
      options: {
        natsUrl: ["nats://127.0.0.1:4222"],
        kubeconfig: undefined,
        namespace: undefined,
        nodeGracePeriodMs: 100_000,
        registerNodes: undefined,
        insecure: false,
        keysDir: undefined,
        credentialLifetimeMs: 2_592_000_000,
        logLevel: "info",
      },
    });
  });

  test.each([
    [{}, /--keys-dir is required: run steward bootstrap.*--insecure/],
    [{ keysDir: "keys", insecure: true }, /--insecure: not together with --keys-dir/],
    [{ keysDir: "keys", registerNodes: true }, /--register-nodes: only with --insecure.*enroll/],
    [{ keysDir: "keys" }, undefined],
    [{ keysDir: "keys", registerNodes: false }, undefined],
    [{ insecure: true }, undefined],
    [{ insecure: true, registerNodes: true }, undefined],
  ])("go together, or a line says how: %j", (given, problem) => {
    const options = { keysDir: undefined, insecure: false, registerNodes: undefined, ...given };
    const said = problemOf(options);
    if (problem === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(problem);
  });

  test("take the uid of a cluster, and nothing that is none", () => {
    const id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427";
    expect(controller("--cluster-id", id)).toMatchObject({ options: { clusterId: id } });
    expect(controller()).toMatchObject({ options: { clusterId: undefined } });
    for (const wrong of ["prod", id.toUpperCase(), `${id}0`, `{${id}}`]) {
      expect(controller("--cluster-id", wrong)).toMatchObject({
        kind: "error",
        text: expect.stringContaining("--cluster-id: got"),
      });
    }
  });

  test("keep the secrets of broker URLs, and do not show them", () => {
    const urls = ["nats://me:hunter2@a:4222", "tls://t0ken@b", "nats://c"];
    expect(controller("--nats-url", urls.join(","))).toMatchObject({
      options: { natsUrl: urls },
      printable: { natsUrl: ["nats://***@a:4222", "tls://***@b", "nats://c"] },
    });
  });

  test.each([
    "nats:/me:hunter2@a",
    "me:hunter2@a:4222",
    "nats://me:hunter2@a,nats//b",
    "http://me:hunter2@a",
    "nats://me:hun,ter2@a",
  ])("do not show the password of %s, which is refused", (url) => {
    const parsed = controller("--nats-url", url);
    expect(parsed).toMatchObject({
      kind: "error",
      text: expect.stringContaining("--nats-url: got"),
    });
    expect(JSON.stringify(parsed)).not.toMatch(/hunter2|hun|ter2|\bme\b/);
  });
});

test.each([
  { name: "agent", help: agent("--help") },
  { name: "controller", help: controller("--help") },
])("no line of the $name's help is longer than 100 columns", ({ help }) => {
  const lines = help.kind === "help" ? help.text.split("\n") : [];
  expect(lines.length).toBeGreaterThan(10);
  expect(lines.filter((line) => line.length > 100)).toEqual([]);
});
