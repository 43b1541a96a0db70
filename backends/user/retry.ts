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
  /** Of the engine, where it is known here. */
  taskQueue: string | undefined;
}

const deadlineMs = 5_000;

/** @returns the instance as it was before. @throws ProblemError when there is nothing to try again, or nobody to ask */
export async function retryInstance(options: RetryOptions, identity: Identity, id: string): Promise<Instance> {
  const instance = await readVisibleInstance(options.pool, identity, id);
  if (!canBeRetried(instance)) {
    const advice = instance.desired_state === 'stopped' ? ' To run it, start it.' : '';
    throw new ProblemError(
      409,
      'not_retryable',
      `The instance is ${instance.status}, not failed: there is nothing to try again.${advice}`,
    );
  }
  if (await askWorkflow(options, instance.id)) return instance;
  throw new ProblemError(
    409,
    'no_workflow',
    'No workflow looks after the instance. Try again once the sweeper has started one.',
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
      // Whoever operates it finds in the log what differs.
      const detail =
        'This server is set to another engine than the one that runs the instance: tell whoever operates it.';
      throw new ProblemError(503, 'another_engine', detail, { cause: error, retryAfterSeconds: 60 });
    }
    // The caller finds out about the database by another error.
    if (isUnavailable(error)) throw error;
    const isRefused = kindOfRefusal(error) === 'setUp';
    const advice = 'refuses the request: tell whoever operates this server, whose log says why.';
    throw new ProblemError(503, 'unavailable', `Temporal ${isRefused ? advice : 'does not answer. Try again.'}`, {
      cause: error,
      retryAfterSeconds: 5,
    });
  }
}
