import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { DeploymentWorkflows } from '../../bridge/signals/deployment-workflows.ts';
import { findNamesWithDeployment } from '../../database/deployments/find.ts';
import type { FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';

export interface DeploymentWatchOptions {
  pool: Pool;
  workflows: Pick<DeploymentWorkflows, 'keep'>;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  intervalMs?: number;
}

/** Deployments that changed within this time have a workflow, or an event on its way that starts one. */
const graceSeconds = 10;

/** Starts the workflow of every active deployment that has none: somebody terminated it, or its event was lost. */
export function startDeploymentWatch(options: DeploymentWatchOptions): Supervised {
  const { pool, workflows, logger, onFatal, intervalMs = 30_000 } = options;

  const run = async ({ signal, ready }: Session): Promise<void> => {
    while (!signal.aborted) {
      for (const name of await findNamesWithDeployment(pool, graceSeconds)) await workflows.keep(name);
      ready();
      await delay(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  };
  return supervise({ name: 'deployment_watch', logger, run, onFatal });
}
