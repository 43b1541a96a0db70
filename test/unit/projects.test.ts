import { expect, test } from 'vitest';
import config from '../../vitest.config.ts';
import { chartProject, longProjects, usualProjects } from '../support/projects.ts';

test('every project of vitest is run by npm test, npm run test:long or npm run test:chart', () => {
  const names = config.test?.projects?.map((project) => (project as { test: { name: string } }).test.name);
  expect(names?.toSorted()).toEqual([...usualProjects, ...longProjects, chartProject].toSorted());
});
