import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files of a project share processes, so they stay together. The projects with the longest files come first. */
const projects = [
  'integration',
  'browser',
  'fleet',
  'workflow',
  'replay',
  'contract',
  'unit',
  'long',
  'model',
  'rabbitmq-4',
];

/** The longest files of their projects, longest first. They come first, so that none of them is left for the end. */
const long = ['node-22', 'node-24', 'crash', 'image', 'topology-removed', 'gate', 'connections', 'long-numbers'];

/** Files that mostly wait. They are spread over their project: several at a time would leave the machine with nothing to do. */
const waiting = ['half-open', 'temporal-refusals', 'mute-servers', 'event-broker-mute'];

/** Keeps the order of vitest, by earlier durations and sizes, for all other files. */
export class FileOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- this method is not that of arrays, and returns a new array
    const sorted = await super.sort(files);
    const groups = new Map<string, TestSpecification[]>(projects.map((name) => [name, []]));
    for (const file of sorted) {
      const { name } = file.project;
      groups.set(name, [...(groups.get(name) ?? []), file]);
    }
    return [...groups.values()].flatMap(order);
  }
}

function order(files: readonly TestSpecification[]): TestSpecification[] {
  const placeOf = (names: readonly string[]) => (file: TestSpecification) => names.indexOf(nameOf(file));
  const chosen = (names: readonly string[]) =>
    files.filter((file) => placeOf(names)(file) >= 0).toSorted((a, b) => placeOf(names)(a) - placeOf(names)(b));
  const others = files.filter((file) => ![...long, ...waiting].includes(nameOf(file)));
  const ordered = [...chosen(long), ...others];
  const spread = chosen(waiting);
  const distance = Math.ceil(ordered.length / (spread.length + 1));
  for (const [index, file] of spread.entries()) ordered.splice(1 + index * (distance + 1), 0, file);
  return ordered;
}

function nameOf({ moduleId }: TestSpecification): string {
  return basename(moduleId, '.test.ts');
}
