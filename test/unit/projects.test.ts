import { expect, test } from 'vitest';
import config from '../../vitest.config.ts';
import {
  chartProject,
  kubernetesProject,
  longProjects,
  monitoringProject,
  usualProjects,
} from '../support/projects.ts';

test('every project of vitest is run by npm test, npm run test:long or a command of its own', () => {
  const names = config.test?.projects?.map((project) => (project as { test: { name: string } }).test.name);
  const run = [...usualProjects, ...longProjects, chartProject, kubernetesProject, monitoringProject];
  expect(names?.toSorted()).toEqual(run.toSorted());
});
