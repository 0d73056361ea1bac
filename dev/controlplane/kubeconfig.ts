export interface KubeconfigInput {
  readonly server: string;
  /** PEM. */
  readonly ca: string;
  readonly user: string;
  readonly token: string;
}

/** A kubeconfig with everything embedded: context `steward-dev`, namespace `default`. */
export function kubeconfig({ server, ca, user, token }: KubeconfigInput): string {
  return `apiVersion: v1
kind: Config
current-context: steward-dev
clusters:
  - name: steward-dev
    cluster:
      server: ${server}
      certificate-authority-data: ${Buffer.from(ca).toString("base64")}
contexts:
  - name: steward-dev
    context:
      cluster: steward-dev
      namespace: default
      user: ${JSON.stringify(user)}
users:
  - name: ${JSON.stringify(user)}
    user:
      token: ${JSON.stringify(token)}
`;
}
