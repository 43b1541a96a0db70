import { rabbitmq4Project } from './rabbitmq-4.ts';

/** The projects of vitest that `npm test` runs. */
export const usualProjects = ['unit', 'contract', 'workflow', 'replay', 'integration', 'fleet'];

/** Those that `npm run test:long` runs. */
export const longProjects = ['timed', 'long', 'browser', 'model', rabbitmq4Project];

/** Those with a command of their own, `npm run test:<name>`, because their programs take minutes to build. */
export const chartProject = 'chart';
export const kubernetesProject = 'kubernetes';
export const monitoringProject = 'monitoring';
export const clustersProject = 'clusters';
