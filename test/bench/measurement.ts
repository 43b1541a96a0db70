import type { Bench } from './open-bench.ts';

/** One line of the table. */
export interface Row {
  name: string;
  unit: string;
  better: 'more' | 'less';
  value: number;
  /** The same work without the engine, measured in the same run. */
  floor?: { name: string; value: number };
  /** A bound of the value, or of its ratio to the floor. */
  goal?: Goal;
  /** Where on its curve the row lies; only in rows of `--growth`. */
  at?: { size: number; of: string };
}

export type Goal = { of: 'value' | 'ratio' } & ({ atLeast: number } | { atMost: number });

/**
 * A file of `rows/` or `growth/` is a measurement. Measurements that look at the same work share it by `bench.once`, so that each of
 * them can also be run alone.
 */
export interface Measurement {
  /** Names it in `--only`. */
  name: string;
  /** Left out of `--quick`, because it takes long even when it is small. */
  isSlow?: true;
  measure: (bench: Bench) => Promise<Row[]>;
}

/** The value divided by the floor. */
export function ratioOf({ value, floor }: Row): number | undefined {
  return floor && value / floor.value;
}

/** Undefined where the row has no goal. */
export function isMet(row: Row): boolean | undefined {
  if (!row.goal) return undefined;
  const reached = reachedOf(row, row.goal);
  return 'atLeast' in row.goal ? reached >= row.goal.atLeast : reached <= row.goal.atMost;
}

export function boundOf(goal: Goal): number {
  return 'atLeast' in goal ? goal.atLeast : goal.atMost;
}

export function reachedOf(row: Row, goal: Goal): number {
  return goal.of === 'value' ? row.value : (ratioOf(row) ?? NaN);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
