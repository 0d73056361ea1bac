import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { run } from "../../dev/controlplane/run.ts";

/** A server certificate for 127.0.0.1 that is its own authority; PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Every call makes another authority; the files are left in `directory`. */
export async function makeCertificate(directory: string, name: string): Promise<Certificate> {
  const [keyFile, certFile] = [join(directory, `${name}.key`), join(directory, `${name}.crt`)];
  const args = ["req", "-x509", "-nodes", "-days", "1", "-subj", `/CN=${name}`];
  args.push("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256");
  args.push("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", keyFile, "-out", certFile);
  const { code, stderr } = await run("openssl", args, { env: process.env });
  if (code !== 0) throw new Error(`openssl: ${stderr}`);
  return { cert: await readFile(certFile, "utf8"), key: await readFile(keyFile, "utf8") };
}
