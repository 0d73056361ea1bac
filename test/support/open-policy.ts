import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** As the agent itself: a test's commands write where only who started it may. */
const POLICY = `version: 1
defaultUser: root
rules:
  - name: all
    methods: ["*"]
`;

/** Writes a policy that denies nothing and takes no rights away; gives its path. */
export async function openPolicy(dir: string): Promise<string> {
  const path = join(dir, "policy.yaml");
  await writeFile(path, POLICY, { mode: 0o600 });
  return path;
}
