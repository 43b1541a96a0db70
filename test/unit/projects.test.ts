import { expect, test } from 'vitest';
import config from '../../vitest.config.ts';
import { longProjects, usualProjects } from '../support/projects.ts';

test('every project of vitest is run by npm test or by npm run test:long', () => {
  const names = config.test?.projects?.map((project) => (project as { test: { name: string } }).test.name);
  expect(names?.toSorted()).toEqual([...usualProjects, ...longProjects].toSorted());
});
