import { open } from "node:fs/promises";

/** Makes a file, which must not be there yet, for the owner alone (0600); it is on the disk when this resolves. */
export async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  await file.writeFile(text);
  await file.sync();
}
