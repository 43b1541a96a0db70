import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { activityInfo } from '@temporalio/activity';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createNotices, serveLifecycles } from './contender.ts';

/** Bare Temporal with the commands of the engine: a worker and a client in one process, and steps that do nothing. Started by the benchmark. */
const { TEMPORAL_ADDRESS: address = '' } = process.env;

Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: [] });
const taskQueue = `floor-${randomUUID()}`;
const worked = await NativeConnection.connect({ address });
const provisioned = createNotices();
const cleanedUp = createNotices();
const arriveIn = (notices: typeof provisioned) => async () =>
  notices.arrive(activityInfo().workflowExecution?.workflowId ?? '');
const worker = await Worker.create({
  connection: worked,
  taskQueue,
  workflowsPath: fileURLToPath(new URL('floor-workflow.ts', import.meta.url)),
  bundlerOptions: { webpackConfigHook: (config) => ({ ...config, stats: 'none' }) },
  activities: { provision: arriveIn(provisioned), cleanUp: arriveIn(cleanedUp) },
});
const running = worker.run();
const connection = await Connection.connect({ address });
const { workflow } = new Client({ connection });

await serveLifecycles(
  {
    begin: async (workflowId) => {
      const isProvisioned = provisioned.expect(workflowId);
      await workflow.signalWithStart('floorWorkflow', { taskQueue, workflowId, signal: 'created' });
      await isProvisioned;
    },
    end: async (workflowId) => {
      const isCleanedUp = cleanedUp.expect(workflowId);
      await workflow.getHandle(workflowId).signal('deleted');
      await isCleanedUp;
    },
  },
  async () => {
    worker.shutdown();
    await running;
    await Promise.all([worked.close(), connection.close()]);
  },
);
