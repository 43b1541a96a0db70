import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take long. They come first, so that none of them is left for the end, when little else runs. */
const first = ['node-22', 'image', 'stack-logins', 'node-24'];

/**
 * The tests of the model, which use all of the machine, and the files that mostly wait. They come last, side by side: those
 * that wait leave the machine to the model, and take no place from files that compute.
 */
const last = ['model', 'half-open', 'temporal-refusals', 'event-broker-mute', 'mute-servers'];

/** Keeps the order of vitest, by earlier durations and sizes, for all other files. */
export class QuietLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- this method is not that of arrays, and returns a new array
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}

/** Files of other projects come after those of `integration`, with which they share no processes. */
function rank({ project, moduleId }: TestSpecification): number {
  const name = basename(moduleId, '.test.ts');
  if (last.includes(name)) return first.length + 2 + last.indexOf(name);
  if (project.name !== 'integration') return first.length + 1;
  return first.includes(name) ? first.indexOf(name) : first.length;
}
