import { objectKey } from "../../api/meta.ts";
import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import { isFirm } from "./run.ts";

/** The commands that still want something of their node, by the key of the node. */
export class OpenCommands {
  readonly #byNode = new Map<string, Set<string>>();

  /** Takes note of a command as it is now; false if it wants nothing any more. */
  observe(command: EdgeCommand): boolean {
    const { metadata, status } = command;
    const isSettled = isFirm(status.run) && status.observedGeneration === metadata.generation;
    if (isSettled) this.forget(command);
    else this.#of(command).add(objectKey(metadata));
    return !isSettled;
  }

  forget(command: EdgeCommand): void {
    const node = nodeKey(command);
    const keys = this.#byNode.get(node);
    keys?.delete(objectKey(command.metadata));
    if (keys?.size === 0) this.#byNode.delete(node);
  }

  of(node: string): readonly string[] {
    return [...(this.#byNode.get(node) ?? [])];
  }

  all(): string[] {
    return [...this.#byNode.values()].flatMap((keys) => [...keys]);
  }

  #of(command: EdgeCommand): Set<string> {
    const node = nodeKey(command);
    const keys = this.#byNode.get(node) ?? new Set<string>();
    this.#byNode.set(node, keys);
    return keys;
  }
}

function nodeKey({ metadata, spec }: EdgeCommand): string {
  return objectKey({ namespace: metadata.namespace, name: spec.nodeName });
}
