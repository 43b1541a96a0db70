import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ServiceName } from '../contracts/names.ts';

/** The metrics of this process. A module of this folder adds its own when it is imported. */
export const registry = new Registry();

export interface Described {
  name: string;
  kind: 'counter' | 'gauge' | 'histogram';
  help: string;
  labels: readonly string[];
  /** The services that have the metric. */
  of: readonly ServiceName[];
}

/** All metrics that were defined so far, from which docs/metrics.md is made. */
export const described: Described[] = [];

export interface Definition<Label extends string> {
  /** Without the prefix, in the form of https://prometheus.io/docs/practices/naming. */
  name: string;
  help: string;
  /** Each label has a bounded number of values: never an id of an instance, a user or a message. */
  labels?: readonly Label[];
  of: readonly ServiceName[];
}

export function counter<Label extends string = never>(definition: Definition<Label>): Counter<Label> {
  return new Counter(describe('counter', definition));
}

/** @param collect is called before each scrape */
export function gauge<Label extends string = never>(
  definition: Definition<Label>,
  collect?: (metric: Gauge<Label>) => void,
): Gauge<Label> {
  const metric: Gauge<Label> = new Gauge({
    ...describe('gauge', definition),
    ...(collect && { collect: () => collect(metric) }),
  });
  return metric;
}

/** @param buckets upper limits, in the unit of the name */
export function histogram<Label extends string = never>(
  definition: Definition<Label>,
  buckets: readonly number[],
): Histogram<Label> {
  return new Histogram({ ...describe('histogram', definition), buckets: [...buckets] });
}

const prefix = 'instance_engine_';

function describe<Label extends string>(kind: Described['kind'], { name, help, labels = [], of }: Definition<Label>) {
  described.push({ name: prefix + name, kind, help, labels, of });
  return { name: prefix + name, help, labelNames: [...labels], registers: [registry] };
}
