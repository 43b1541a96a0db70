import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import { AnotherEngine, requireSameEngine } from '../../bridge/signals/engine.ts';
import { requestRetry } from '../../bridge/signals/instance-workflows.ts';
import { kindOfRefusal } from '../../bridge/signals/temporal-refusal.ts';
import { canBeRetried } from '../../database/can-be-retried.ts';
import { isUnavailable } from '../http/is-unavailable.ts';
import { ProblemError } from '../http/problem.ts';
import type { Identity } from '../http/tokens.ts';
import { readVisibleInstance } from './instance-store.ts';
import type { Instance } from './schemas.ts';

export interface RetryOptions {
  pool: Pool;
  temporal: Client;
  /** Task queue of the engine, if this process knows it. */
  taskQueue: string | undefined;
}

const deadlineMs = 5_000;

/** @returns the instance as it was before. @throws ProblemError if there is nothing to retry, or no workflow to ask */
export async function retryInstance(options: RetryOptions, identity: Identity, id: string): Promise<Instance> {
  const instance = await readVisibleInstance(options.pool, identity, id);
  if (!canBeRetried(instance)) {
    const advice = instance.desired_state === 'stopped' ? ' To run it, start it.' : '';
    throw new ProblemError(
      409,
      'not_retryable',
      `The instance is ${instance.status}, not failed, so there is nothing to retry.${advice}`,
    );
  }
  if (await askWorkflow(options, instance.id)) return instance;
  throw new ProblemError(
    409,
    'no_workflow',
    'No workflow manages the instance. Try again after the sweeper has started one.',
  );
}

async function askWorkflow({ pool, temporal, taskQueue }: RetryOptions, id: string): Promise<boolean> {
  try {
    return await temporal.connection.withDeadline(Date.now() + deadlineMs, async () => {
      await requireSameEngine(pool, temporal, taskQueue);
      return requestRetry(temporal, id);
    });
  } catch (error) {
    if (error instanceof AnotherEngine) {
      // The log tells the operator which settings differ.
      const detail =
        'This server is configured for another engine than the one that runs the instance. Tell its operator.';
      throw new ProblemError(503, 'another_engine', detail, { cause: error, retryAfterSeconds: 60 });
    }
    // The error handler answers for the database.
    if (isUnavailable(error)) throw error;
    const isRefused = kindOfRefusal(error) === 'setUp';
    const advice = 'refuses the request. Tell the operator of this server, whose log has the reason.';
    throw new ProblemError(503, 'unavailable', `Temporal ${isRefused ? advice : 'does not answer. Try again.'}`, {
      cause: error,
      retryAfterSeconds: 5,
    });
  }
}
