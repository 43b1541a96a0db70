import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import { requestRetry } from '../../bridge/request-retry.ts';
import { canBeRetried } from '../../contracts/can-be-retried.ts';
import { ProblemError } from '../http/problem.ts';
import type { Identity } from '../http/tokens.ts';
import { readInstance } from './instance-store.ts';
import type { Instance } from './schemas.ts';

export interface RetryOptions {
  pool: Pool;
  temporal: Client;
}

const deadlineMs = 5_000;

/** @returns the instance as it was before. @throws ProblemError when there is nothing to try again, or nobody to ask */
export async function retryInstance(
  { pool, temporal }: RetryOptions,
  identity: Identity,
  id: string,
): Promise<Instance> {
  const instance = await readInstance(pool, identity, id);
  if (!canBeRetried(instance)) {
    const advice = instance.desired_state === 'stopped' ? ' To run it, start it.' : '';
    throw new ProblemError(
      409,
      'not_retryable',
      `The instance is ${instance.status}, not failed: there is nothing to try again.${advice}`,
    );
  }
  if (await askWorkflow(temporal, instance.id)) return instance;
  throw new ProblemError(
    409,
    'no_workflow',
    'No workflow looks after the instance. Try again once the sweeper has started one.',
  );
}

async function askWorkflow(temporal: Client, id: string): Promise<boolean> {
  try {
    return await temporal.connection.withDeadline(Date.now() + deadlineMs, () => requestRetry(temporal, id));
  } catch (error) {
    throw new ProblemError(503, 'unavailable', 'Temporal does not answer. Try again.', {
      cause: error,
      retryAfterSeconds: 5,
    });
  }
}
