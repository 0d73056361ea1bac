import type {
  Transport,
  TransportRequest,
  TransportResponse,
  WatchRequest,
} from "../../../src/kubernetes/transport.ts";
import type { WatchEvent, WatchEventType } from "../../../src/kubernetes/watch-event.ts";
import type { Widget } from "./fakes.ts";

/** One watch: its events and how it ends. `hang` goes on until it is aborted. */
export interface ScriptedWatch {
  readonly events: readonly (WatchEvent | (() => void))[];
  readonly end: "close" | "hang" | Error;
}

/** Answers watches and requests from a script, in order, and writes down what was asked. */
export class ScriptedTransport implements Pick<Transport, "request" | "watch"> {
  readonly asked: string[] = [];
  readonly #watches: ScriptedWatch[];
  readonly #answers: (object | Error)[];

  constructor(watches: readonly ScriptedWatch[], answers: readonly (object | Error)[] = []) {
    this.#watches = [...watches];
    this.#answers = [...answers];
  }

  async request({ query = {} }: TransportRequest): Promise<TransportResponse> {
    this.asked.push(`list ${String(query["continue"] ?? "")}`.trim());
    const answer = this.#answers.shift() ?? new Error("the script has no further answer");
    if (answer instanceof Error) throw answer;
    return { status: 200, body: answer };
  }

  async *watch({ query = {}, signal }: WatchRequest): AsyncGenerator<WatchEvent, void, undefined> {
    const from = query["sendInitialEvents"] === true ? "all" : String(query["resourceVersion"]);
    this.asked.push(`watch ${from}`);
    const script = this.#watches.shift() ?? { events: [], end: "hang" };
    for (const step of script.events) {
      if (typeof step === "function") step();
      else yield step;
    }
    if (script.end instanceof Error) throw script.end;
    if (script.end === "close") return;
    await new Promise((resolve) => {
      signal.addEventListener("abort", resolve, { once: true });
    });
    throw signal.reason;
  }
}

function event(type: WatchEventType, object: Widget): WatchEvent {
  return { type, object: { ...object }, resourceVersion: object.metadata.resourceVersion };
}

export const added = (object: Widget): WatchEvent => event("ADDED", object);
export const modified = (object: Widget): WatchEvent => event("MODIFIED", object);
export const deleted = (object: Widget): WatchEvent => event("DELETED", object);

export function bookmark(version: number, endOfList = false): WatchEvent {
  const annotations = endOfList ? { "k8s.io/initial-events-end": "true" } : {};
  const resourceVersion = String(version);
  return {
    type: "BOOKMARK",
    object: { kind: "Widget", metadata: { resourceVersion, annotations } },
    resourceVersion,
  };
}
