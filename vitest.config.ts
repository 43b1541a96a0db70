import { defineConfig } from 'vitest/config';
import { removeMachineSettings } from './test/support/environment.ts';
import { FileOrder } from './test/support/file-order.ts';
import { chartProject, clustersProject, kubernetesProject, monitoringProject } from './test/support/projects.ts';
import { rabbitmq4Project, testsOfTheBus } from './test/support/rabbitmq-4.ts';

removeMachineSettings({ process: 'main' });

const setupFiles = ['test/support/without-machine-settings.ts', 'test/support/patience.ts'];
const quietSetupFiles = [
  'test/support/without-machine-settings.ts',
  'test/support/quiet-temporal.ts',
  'test/support/patience.ts',
];
/** Servers of their own, and the engine's processes beside them. */
const withServers = {
  globalSetup: ['test/support/workflow-bundle.ts', 'test/support/worker-programs.ts', 'test/support/servers.ts'],
  setupFiles: quietSetupFiles,
  testTimeout: 90_000,
  hookTimeout: 90_000,
};
/** Their files run after all others and one at a time, because they assert limits of time or need the whole machine. */
const alone = { sequence: { groupOrder: 1 }, maxWorkers: 1 };
/** Vitest's default of one second is too short where several test files with servers of their own share two cores. */
const expect = { poll: { timeout: 20_000 } };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          // Files share processes, because to start a process takes longer than many of the files.
          isolate: false,
          include: ['test/unit/**/*.test.ts'],
          setupFiles,
          expect,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'contract',
          isolate: false,
          include: ['test/contract/**/*.test.ts'],
          globalSetup: ['test/support/postgres.ts'],
          setupFiles,
          expect,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'workflow',
          // Files share processes, because to import Temporal's SDK takes longer than some of the files.
          isolate: false,
          include: ['test/workflow/**/*.test.ts'],
          globalSetup: ['test/support/workflow-bundle.ts', 'test/support/temporal-programs.ts'],
          setupFiles,
          expect,
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'replay',
          include: ['test/replay/**/*.test.ts'],
          globalSetup: ['test/support/workflow-bundle.ts'],
          setupFiles,
          expect,
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'integration',
          // Files share processes, because to import Temporal's SDK takes longer than many of the files.
          isolate: false,
          include: ['test/integration/**/*.test.ts'],
          exclude: ['test/integration/rabbitmq-4.test.ts'],
          globalSetup: [
            'test/support/workflow-bundle.ts',
            'test/support/worker-programs.ts',
            'test/support/servers.ts',
            'test/support/docker-engine.ts',
            'test/support/pgbouncer-program.ts',
          ],
          setupFiles: quietSetupFiles,
          expect,
          testTimeout: 90_000,
          hookTimeout: 90_000,
        },
      },
      {
        test: {
          name: rabbitmq4Project,
          isolate: false,
          include: testsOfTheBus,
          ...withServers,
          expect,
        },
      },
      {
        test: {
          name: 'browser',
          isolate: false,
          include: ['test/browser/**/*.test.ts'],
          globalSetup: [
            'test/support/workflow-bundle.ts',
            'test/support/worker-programs.ts',
            'test/support/servers.ts',
            'test/support/chromium.ts',
          ],
          setupFiles: quietSetupFiles,
          expect: { poll: { timeout: 30_000 } },
          testTimeout: 120_000,
          hookTimeout: 90_000,
        },
      },
      {
        test: {
          name: 'fleet',
          include: ['test/fleet/**/*.test.ts'],
          ...withServers,
          expect,
        },
      },
      {
        test: {
          name: 'long',
          isolate: false,
          include: ['test/long/**/*.test.ts'],
          ...withServers,
          globalSetup: [...withServers.globalSetup, 'test/support/docker-engine.ts'],
          expect,
        },
      },
      {
        test: {
          name: chartProject,
          include: ['test/chart/**/*.test.ts'],
          globalSetup: ['test/support/helm-program.ts', 'test/support/kubernetes/chart-api.ts'],
          setupFiles,
          expect,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: kubernetesProject,
          isolate: false,
          include: ['test/kubernetes/**/*.test.ts'],
          ...withServers,
          globalSetup: [
            ...withServers.globalSetup,
            'test/support/docker-engine.ts',
            'test/support/chromium.ts',
            'test/support/helm-program.ts',
            'test/support/kubernetes/cluster.ts',
          ],
          expect,
        },
      },
      {
        test: {
          name: monitoringProject,
          include: ['test/monitoring/**/*.test.ts'],
          ...withServers,
          globalSetup: [...withServers.globalSetup, 'test/support/monitoring/programs.ts'],
          expect,
        },
      },
      {
        test: {
          name: clustersProject,
          include: ['test/clusters/**/*.test.ts'],
          ...withServers,
          globalSetup: [
            ...withServers.globalSetup,
            'test/support/clusters/rabbitmq-program.ts',
            'test/support/clusters/temporal-server.ts',
            'test/support/clusters/haproxy-program.ts',
          ],
          hookTimeout: 180_000,
          ...alone,
          expect,
        },
      },
      {
        test: {
          name: 'timed',
          include: ['test/timed/**/*.test.ts'],
          ...withServers,
          ...alone,
          expect,
        },
      },
      {
        test: {
          name: 'model',
          include: ['test/model/**/*.test.ts'],
          ...withServers,
          ...alone,
          expect,
        },
      },
    ],
    // Two more than the cores of the smallest machine, because many files wait for servers, processes and limits of time.
    maxWorkers: 3,
    // Modules are compiled once for all projects, and not again in the next run unless they have changed.
    experimental: { fsModuleCache: true },
    sequence: { sequencer: FileOrder },
  },
});
