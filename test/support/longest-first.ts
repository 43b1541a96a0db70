import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * The project whose files take longest is the first, and in it those files that take longest while they mostly wait: what
 * computes runs beside them, and none of them is left for the end, when nothing else does.
 */
const first = ['half-open', 'consumer-outage', 'event-broker-mute', 'node-22', 'image', 'stack-logins', 'node-24'].map(
  (name) => `${name}.test.ts`,
);

/** The rest in the order that vitest gives it, each project by itself: projects do not share processes. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- it is no array's, and returns a new one
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}

function rank({ project, moduleId }: TestSpecification): number {
  const place = first.indexOf(basename(moduleId));
  if (project.name !== 'integration') return first.length + 1;
  return place === -1 ? first.length : place;
}
