import { expect, test } from 'vitest';
import config from '../../vitest.config.ts';
import { chartProject, kubernetesProject, longProjects, usualProjects } from '../support/projects.ts';

test('every project of vitest is run by npm test, npm run test:long, npm run test:chart or npm run test:kubernetes', () => {
  const names = config.test?.projects?.map((project) => (project as { test: { name: string } }).test.name);
  const run = [...usualProjects, ...longProjects, chartProject, kubernetesProject];
  expect(names?.toSorted()).toEqual(run.toSorted());
});
