export interface ExposedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ExposedMetric {
  readonly help: string;
  readonly type: string;
  readonly samples: readonly ExposedSample[];
}

const SUFFIX = /_(bucket|sum|count)$/;

/** Reads Prometheus' text format as strictly as we write it; throws on a line that it cannot read. */
export class Exposition {
  readonly metrics: ReadonlyMap<string, ExposedMetric>;

  constructor(text: string) {
    const help = new Map<string, string>();
    const types = new Map<string, string>();
    const samples: ExposedSample[] = [];
    for (const line of text.split("\n").filter((each) => each !== "")) {
      const [, keyword, about = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
      if (keyword === undefined) samples.push(parseSample(line));
      else (keyword === "HELP" ? help : types).set(about, rest);
    }
    this.metrics = new Map(
      [...types].map(([name, type]) => {
        const owns = (sample: ExposedSample): boolean =>
          (type === "histogram" ? sample.name.replace(SUFFIX, "") : sample.name) === name;
        return [name, { help: help.get(name) ?? "", type, samples: samples.filter(owns) }];
      }),
    );
    const owned = [...this.metrics.values()].reduce((sum, each) => sum + each.samples.length, 0);
    if (owned !== samples.length) throw new Error("a sample belongs to no metric");
  }

  /** The one value with these labels, no more and no fewer; of a histogram, give `_sum` or `_count`. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const metric = this.metrics.get(name) ?? this.metrics.get(name.replace(SUFFIX, ""));
    return metric?.samples.find(
      (sample) => sample.name === name && sortedJson(sample.labels) === sortedJson(labels),
    )?.value;
  }
}

function parseSample(line: string): ExposedSample {
  const [, name, labels = "", value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`no exposition: ${line}`);
  const number = value === "+Inf" ? Infinity : Number(value);
  // prom-client's way to write that there is no number, of a process that has just begun.
  if (value !== "Nan" && Number.isNaN(number)) throw new Error(`no number: ${line}`);
  const pairs = [...labels.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/g)];
  if (pairs.map(([pair]) => pair).join("") !== labels) throw new Error(`no labels: ${line}`);
  return {
    name,
    labels: Object.fromEntries(pairs.map(([, key = "", text = ""]) => [key, text])),
    value: number,
  };
}

function sortedJson(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
