import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { stackRoot } from '../../stack/paths.ts';
import { growthMeasurements } from './growth/index.ts';
import { isMet, ratioOf, type Measurement, type Row } from './measurement.ts';
import { openBench } from './open-bench.ts';
import { barsOf, curvesOf } from './report/plot.ts';
import { circumstancesOf } from './report/circumstances.ts';
import { tableOf } from './report/table.ts';
import { measurements } from './rows/index.ts';

/**
 * `npm run bench`: everything that docs/speed.md says, measured in one run, each value beside the floor of the same run.
 *
 * `--quick` takes about a minute, `--growth` measures the growth curves instead, `--only throughput,cpu` measures these alone,
 * `--scale 0.1` runs a tenth of each count, and `--largest 10000` leaves out the points of a curve beyond. Only a whole run writes to
 * docs/benchmarks/; any other writes below .stack/.
 */
const { values: given } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    growth: { type: 'boolean', default: false },
    only: { type: 'string' },
    scale: { type: 'string' },
    largest: { type: 'string' },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const root = fileURLToPath(new URL('../../', import.meta.url));

const chosen = choose(given.growth ? growthMeasurements : measurements);
const scale = toNumber('scale', given.scale ?? (given.quick ? '0.04' : '1'));
const largest = toNumber('largest', given.largest ?? (given.quick ? '1000' : String(Number.MAX_SAFE_INTEGER)));
const isWhole = [given.only, given.scale, given.largest].every((value) => value === undefined) && !given.quick;

const rows: Row[] = [];
const failures: string[] = [];
const startedAt = new Date();
const bench = await openBench({ isQuick: given.quick, scale, largest, say });
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void bench.close().finally(() => process.exit(1)));
}
try {
  for (const { name, measure } of chosen) {
    say(`${name} …`);
    try {
      const found = await measure(bench);
      rows.push(...found);
      for (const line of tableOf(found).slice(1)) say(`  ${line}`);
    } catch (error) {
      // The other rows are worth having, but the run has failed.
      failures.push(name);
      say(`${name} could not be measured: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  say('');
  for (const line of tableOf(rows)) say(line);
  const folder = isWhole && failures.length === 0 ? join(root, 'docs/benchmarks') : join(stackRoot, 'benchmarks');
  const file = join(folder, given.growth ? 'growth' : 'speed');
  const circumstances = await circumstancesOf(bench);
  const title = `${given.growth ? 'Growth' : 'Speed'} on ${circumstances.machine.cores} cores, ${startedAt.toISOString().slice(0, 10)}`;
  await mkdir(folder, { recursive: true });
  await writeFile(
    `${file}.json`,
    `${JSON.stringify({ startedAt, scale, ...circumstances, rows: rows.map(toJson) }, null, 2)}\n`,
  );
  await writeFile(`${file}.svg`, given.growth ? curvesOf(rows, title) : barsOf(rows, title));
  say(`\nwritten: ${relative(root, file)}.json and .svg`);
  if (failures.length > 0) say(`NOT MEASURED: ${failures.join(', ')}`);
} finally {
  await bench.close();
}
process.exitCode = failures.length > 0 ? 1 : 0;

function choose(all: readonly Measurement[]): readonly Measurement[] {
  if (given.only === undefined) return all.filter(({ isSlow }) => !(given.quick && isSlow));
  const names = given.only.split(',');
  const unknown = names.filter((name) => all.every((measurement) => measurement.name !== name));
  if (unknown.length > 0) {
    say(`--only knows ${all.map(({ name }) => name).join(', ')}, but not ${unknown.join(', ')}.`);
    process.exit(2);
  }
  return all.filter(({ name }) => names.includes(name));
}

function toNumber(name: string, value: string): number {
  const number = Number(value);
  if (number > 0) return number;
  say(`--${name} is a number above 0.`);
  process.exit(2);
}

function toJson(row: Row) {
  const { name, unit, better, value, floor, goal, at } = row;
  return {
    name,
    ...(at && { at }),
    unit,
    better,
    value,
    floor: floor ?? null,
    ratio: ratioOf(row) ?? null,
    goal: goal ?? null,
    met: isMet(row) ?? null,
  };
}
