import { readFile, writeFile } from "node:fs/promises";
import { stringify } from "yaml";
import { customResourceDefinition, KINDS } from "../src/api/crd.ts";
import { GROUP } from "../src/api/group.ts";

/**
 * Writes crds/ from the zod schemas; with --check it writes nothing and fails if a file is stale.
 * YAML 1.1, because that is what Kubernetes reads: an unquoted `on` or `no` would be a boolean.
 */
const check = process.argv.includes("--check");
let stale = 0;
for (const kind of KINDS) {
  const file = new URL(`../crds/${GROUP}_${kind.plural}.yaml`, import.meta.url);
  const header = "# Generated from src/api by `npm run generate`. Do not edit.\n";
  const text =
    header + stringify(customResourceDefinition(kind), null, { version: "1.1", lineWidth: 0 });
  if (!check) {
    await writeFile(file, text);
  } else if ((await readFile(file, "utf8").catch(() => "")) !== text) {
    stale += 1;
    process.stderr.write(`crds/${GROUP}_${kind.plural}.yaml is stale: run \`npm run generate\`\n`);
  }
}
process.exitCode = stale === 0 ? 0 : 1;
