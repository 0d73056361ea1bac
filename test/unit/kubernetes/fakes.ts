import type { Clock } from "../../../src/runtime/clock.ts";
import type { KubernetesObject } from "../../../src/api/meta.ts";

/** A clock whose sleeps take no time but are written down; time goes by with them. */
export class InstantClock implements Clock {
  readonly slept: number[] = [];
  #now = 1_700_000_000_000;

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  async sleep(ms: number): Promise<void> {
    this.slept.push(ms);
    this.#now += ms;
    await nextTurn();
  }
}

/** Lets everything that is ready to run, run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

export interface Widget extends KubernetesObject {
  readonly spec: { readonly size: number };
}

export const WIDGETS = {
  group: "test.steward.dev",
  version: "v1",
  plural: "widgets",
  kind: "Widget",
} as const;

/** A widget `default/NAME`; its size is that of its version unless told. */
export function widget(name: string, version: number, uid = `${name}-1`): Widget {
  return {
    apiVersion: "test.steward.dev/v1",
    kind: "Widget",
    metadata: {
      name,
      namespace: "default",
      uid,
      resourceVersion: String(version),
      generation: 1,
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    spec: { size: version },
  };
}
