import type { Bus } from "../protocol/bus.ts";
import type { Count, Instruments } from "./instruments.ts";

/** Whether the broker is there, and how often it came back. */
export class BusMetrics {
  #bus: Pick<Bus, "connected"> | undefined;
  readonly #reconnects: Count<never>;

  constructor(instruments: Instruments) {
    this.#reconnects = instruments.counter({
      name: "steward_bus_reconnects_total",
      help: "Connections to the broker after the first one.",
    });
    instruments.gauge({
      name: "steward_bus_connected",
      help: "1 while there is a connection to the broker.",
      collect: () => [[{}, this.#bus?.connected === true ? 1 : 0]],
    });
  }

  /** To be called before the bus is first connected, or right then; returns the way to end it. */
  follow(bus: Pick<Bus, "connected" | "onConnectedChange">): () => void {
    this.#bus = bus;
    let hadConnection = bus.connected;
    return bus.onConnectedChange((connected) => {
      if (connected && hadConnection) this.#reconnects({});
      hadConnection ||= connected;
    });
  }
}
