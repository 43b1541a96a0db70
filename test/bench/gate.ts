import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { agentsDirectory, stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { resetStack, startStack } from '../../stack/stack.ts';
import { loadWorkflowBundle } from '../../workers/workflow-bundle.ts';
import { startCandidate, startGate } from '../support/gates.ts';
import { openRig } from '../support/rig.ts';
import { untilTrue } from '../support/routed-workers.ts';

/**
 * `npm run bench:gate`: how long a build takes to replay the histories of instances, as it does in a deployment before it gets any of
 * them. The instances have real agents, and their config was changed some times.
 */
const { values: given } = parseArgs({
  options: {
    instances: { type: 'string', default: '200' },
    changes: { type: 'string', default: '2' },
    gates: { type: 'string', default: '3' },
  },
});
const [count, changes, gates] = [Number(given.instances), Number(given.changes), Number(given.gates)];
const directory = resolve(stackRoot, 'bench-gate');
const say = (line: string): void => void process.stdout.write(`${line}\n`);

Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
await resetStack(directory);
const stack = await startStack({ directory, toolsDirectory, portBase: 'free', onProgress: say });
try {
  const { databaseUrl, amqpUrl, managementUrl, temporal } = stack;
  if (managementUrl === undefined || temporal === undefined) throw new Error('The stack did not come up whole.');
  const bundle = join(directory, 'workflow-bundle.js');
  await writeFile(bundle, (await loadWorkflowBundle()).code);
  const rig = await openRig({
    servers: { databaseUrl, amqpUrl, managementUrl, temporalAddress: temporal.address },
    workflowBundle: bundle,
    settings: { RUNTIME_DIRECTORY: agentsDirectory(directory) },
    replays: false,
  });
  try {
    await rig.startAll();
    const agentId = await rig.publishAgent();
    const ids = await Promise.all(Array.from({ length: count }, () => rig.insertInstance(agentId)));
    const untilAllRun = (generation: number) =>
      untilTrue(
        async () => {
          const { rowCount } = await rig.pool.query(
            `select from instances where status = 'running' and observed_generation = $1`,
            [generation],
          );
          return rowCount === count;
        },
        'Not every instance runs.',
        600_000,
      );
    await untilAllRun(1);
    for (let change = 1; change <= changes; change += 1) {
      await rig.pool.query(`update instances set config = jsonb_build_object('change', $1::integer)`, [change]);
      await untilAllRun(change + 1);
    }
    const lengths = await Promise.all(ids.map(async (id) => (await rig.workflow(id).describe()).historyLength));
    const events = lengths.reduce((sum, length) => sum + length, 0) / count;
    say(`${count} instances, ${events.toFixed(0)} events each, ${cpus().length} cores`);
    const build = { deploymentName: rig.environment.TASK_QUEUE, buildId: 'candidate' };
    await startCandidate(rig, build);
    for (let gate = 1; gate <= gates; gate += 1) {
      const began = performance.now();
      const handle = await startGate(rig, build, ids);
      const { replayed, failures, examined } = await handle.result();
      const seconds = ((performance.now() - began) / 1_000).toFixed(1);
      say(`gate ${gate}: ${seconds} s, ${replayed} replayed, ${examined} examined, ${failures.length} failed`);
    }
  } finally {
    await rig.close();
  }
} finally {
  await stack.stop();
  await resetStack(directory);
}
