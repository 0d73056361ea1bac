#!/usr/bin/env node
import { agentJoinProgram } from "./agent-join-options.ts";
import { agentKeygenProgram } from "./agent-keygen-options.ts";
import { agentProgram } from "./agent-options.ts";
import { bootstrapProgram } from "./bootstrap-options.ts";
import { controllerProgram } from "./controller-options.ts";
import { enrollProgram } from "./enroll-options.ts";
import { rotateCommandKeyProgram } from "./rotate-command-key-options.ts";
import { VERSION } from "./version.ts";

const HELP = `Usage: steward <command> [options]

Run commands on fleets of edge nodes from Kubernetes, declaratively.

Commands
  controller           ${controllerProgram.summary}
  agent                ${agentProgram.summary}
  agent join           ${firstSentence(agentJoinProgram.summary)}
  agent keygen         ${firstSentence(agentKeygenProgram.summary)}
  bootstrap            ${firstSentence(bootstrapProgram.summary)}
  enroll               ${firstSentence(enrollProgram.summary)}
  rotate-command-key   ${firstSentence(rotateCommandKeyProgram.summary)}

Options
  --help       Show this help; after a command, that of the command.
  --version    Show the version.
`;

// When a program has ended, it has: nothing that it could not end (a child in the kernel's hands, say) keeps
// the process. Each program loads its own code only: an agent has no use for a Kubernetes client in its memory.
const [command, ...argv] = process.argv.slice(2);
switch (command) {
  case "controller":
    process.exit(await (await import("./controller.ts")).runController(argv));
    break;
  case "agent":
    process.exit(await (await import("./agent-commands.ts")).runAgentCommand(argv));
    break;
  case "bootstrap":
    process.exit(await (await import("./bootstrap.ts")).runBootstrap(argv));
    break;
  case "enroll":
    process.exit(await (await import("./enroll.ts")).runEnroll(argv));
    break;
  case "rotate-command-key":
    process.exit(await (await import("./rotate-command-key.ts")).runRotateCommandKey(argv));
    break;
  case "--version":
    process.stdout.write(`${VERSION}\n`);
    break;
  case "--help":
  case "-h":
    process.stdout.write(HELP);
    break;
  case undefined:
  default: {
    const problem = command === undefined ? "a command is missing" : `there is no "${command}"`;
    process.stderr.write(`steward: ${problem}\n\n${HELP}`);
    process.exitCode = 2;
  }
}

function firstSentence(text: string): string {
  return text.replace(/([.:;]) .*$/s, ".");
}
