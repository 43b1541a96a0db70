import { expect, test } from 'vitest';
import config from '../../vitest.config.ts';
import {
  chartProject,
  clustersProject,
  kubernetesProject,
  longProjects,
  monitoringProject,
  usualProjects,
} from '../support/projects.ts';

test('every project of vitest is run by npm test, npm run test:long or a command of its own', () => {
  const names = config.test?.projects?.map((project) => (project as { test: { name: string } }).test.name);
  const run = [...usualProjects, ...longProjects, chartProject, kubernetesProject, monitoringProject, clustersProject];
  expect(names?.toSorted()).toEqual(run.toSorted());
});
