import { join } from "node:path";

export interface KubectlAccess {
  readonly dir: string;
  readonly kubeconfigPath: string;
}

/**
 * What kubectl needs in its environment. Its cache of what a server offers goes by address: the user's
 * own would tell of an earlier control plane that had the same port.
 */
export function kubectlEnvironment({ dir, kubeconfigPath }: KubectlAccess): {
  readonly HOME: string;
  readonly KUBECONFIG: string;
  readonly KUBECACHEDIR: string;
} {
  return { HOME: dir, KUBECONFIG: kubeconfigPath, KUBECACHEDIR: join(dir, "kubectl-cache") };
}
