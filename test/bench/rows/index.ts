import type { Measurement } from '../measurement.ts';
import { compared } from './compared.ts';
import { cpu } from './cpu.ts';
import { drain } from './drain.ts';
import { history } from './history.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { statement } from './statement.ts';
import { throughput } from './throughput.ts';

/** The table of `npm run bench`, in its order. */
export const measurements: readonly Measurement[] = [
  throughput,
  cpu,
  latency,
  history,
  drain,
  statement,
  memory,
  compared,
];
