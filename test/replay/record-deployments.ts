import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { deploymentWorkflowId } from '../../contracts/names.ts';
import { stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { resetStack, startStack } from '../../stack/stack.ts';
import { loadDeploymentBundle } from '../../workers/workflow-bundle.ts';
import { openDeploymentServer } from '../support/deployment-server.ts';
import { openRoutedRig, type RoutedRig } from '../support/routed-deployments.ts';
import { deploymentHistoriesDirectory } from './histories.ts';
import { settledHistory } from './settled-history.ts';
import { toText } from './scrub.ts';

/** `npm run histories:record-deployments`: plays deployments on servers of its own, and replaces the histories of their workflow. */
const scenarios: Record<string, (rig: RoutedRig, ids: string[]) => Promise<unknown>> = {
  'deployment-is-promoted': async ({ startWorker, request, until, builds }) => {
    await startWorker('good', 'v2');
    const id = await request('v2', { gate: 'on', steps: [50, 100] });
    await until(id, 'promoted');
    await builds.stopWorkers('v1');
    await until(id, 'drained');
  },
  'deployment-is-refused': async ({ startWorker, request, until }) => {
    await startWorker('broken', 'v2');
    await until(await request('v2', { gate: 'on' }), 'refused', 'gate_failed');
  },
  'deployment-is-rolled-back-at-once': async ({ startWorker, request, until }) => {
    await startWorker('broken', 'v2');
    await until(await request('v2'), 'rolled_back', 'task_failures');
  },
  'deployment-is-rolled-back-later': async ({ startWorker, request, until, want, builds }, ids) => {
    await startWorker('patched', 'v2');
    const id = await request('v2', { rollback_window_seconds: 3_600 });
    await until(id, 'promoted');
    await builds.step(ids);
    await builds.untilPatched(ids);
    await want(id, 'rolled_back');
    await until(id, 'rolled_back');
  },
  'deployment-is-changed-by-people': async ({ startWorker, request, until, want, builds }) => {
    await startWorker('good', 'v2');
    const id = await request('v2', { steps: [50, 100], auto_promote: false });
    await until(id, 'ramping');
    await want(id, 'paused');
    await until(id, 'paused', 'paused');
    await want(id, 'running');
    await until(id, 'paused', 'awaiting_promotion');
    await builds.stranger.manage();
    await until(id, 'paused', 'foreign_change');
    await want(id, 'running');
    await until(id, 'paused', 'awaiting_promotion');
    await want(id, 'aborted');
    await until(id, 'aborted');
  },
};

const directory = resolve(stackRoot, 'record-deployments');
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const named = process.argv.slice(2);

Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
await resetStack(directory);
const stack = await startStack({
  directory,
  toolsDirectory,
  portBase: 'free',
  temporal: false,
  temporaryData: true,
  onProgress: say,
});
const environment = await openDeploymentServer();
try {
  const { databaseUrl, amqpUrl, managementUrl } = stack;
  if (managementUrl === undefined) throw new Error('The stack did not come up whole.');
  const bundle = join(directory, 'deployment-bundle.js');
  await writeFile(bundle, (await loadDeploymentBundle()).code);
  await mkdir(deploymentHistoriesDirectory, { recursive: true });
  for (const [name, play] of Object.entries(scenarios)) {
    if (named.length > 0 && !named.includes(name)) continue;
    const rig = await openRoutedRig(environment, bundle, { databaseUrl, amqpUrl, managementUrl, temporalAddress: '' });
    try {
      const ids = await rig.begin(4);
      await rig.rig.startServices(['event_broker', 'deployer']);
      await play(rig, ids);
      const handle = rig.rig.client.workflow.getHandle(deploymentWorkflowId(rig.name));
      await handle.result();
      const text = toText(await settledHistory(handle));
      await writeFile(join(deploymentHistoriesDirectory, `${name}.json`), text);
      say(`${name}: ${text.trimEnd().split('\n').length - 2} events`);
    } finally {
      await rig.close();
    }
  }
} finally {
  await environment.teardown();
  await stack.stop();
  await resetStack(directory);
}
