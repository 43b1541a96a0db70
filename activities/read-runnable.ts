import { ApplicationFailure } from '@temporalio/activity';
import { ApplicationFailureCategory } from '@temporalio/common';
import type { Pool } from 'pg';
import { z } from 'zod';
import type { ProvisioningFailureCode } from '../contracts/names.ts';
import { readRunnableInstance, type RunnableInstance } from '../database/instances/status.ts';
import { runtimeSpec, type RuntimeName } from '../runtimes/registry.ts';
import type { ProvisionResult } from './steps.ts';

/** Marks a failure that the worker did not cause, so that the SDK does not log it as an error. */
export const benign = ApplicationFailureCategory.BENIGN;

/** Why nothing is started. */
type NotRunnable = Extract<ProvisionResult, { outcome: 'agentMissing' | 'notWanted' | 'gone' }>;

interface Runnable extends RunnableInstance {
  outcome: 'runnable';
  agent: NonNullable<RunnableInstance['agent']>;
  spec: z.infer<typeof runtimeSpec>;
}

/**
 * Reads what is needed to start the agent of an instance.
 *
 * @throws ApplicationFailure of the type `spec_rejected` when the agent cannot run, whatever the host
 */
export async function readRunnable(
  pool: Pool,
  instanceId: string,
  allowedRuntimes: readonly RuntimeName[],
): Promise<Runnable | NotRunnable> {
  const found = await readRunnableInstance(pool, instanceId);
  if (!found) return { outcome: 'gone' };
  const { row, agentId, agent } = found;
  if (row.desiredState === 'stopped') return { outcome: 'notWanted', row };
  if (!agent) return { outcome: 'agentMissing', row, message: `The agent ${agentId} is not published yet.` };
  const spec = runtimeSpec.safeParse(agent.runtime);
  if (!spec.success) {
    const needed = `What version ${agent.version} of the agent ${agentId} needs to run`;
    throw cannotRun('spec_rejected', `${needed} is invalid: ${z.prettifyError(spec.error)}`);
  }
  const { kind } = spec.data;
  if (!allowedRuntimes.includes(kind)) {
    const allowed = `ALLOWED_RUNTIMES of agents_worker is ${allowedRuntimes.join(',')}`;
    throw cannotRun('spec_rejected', `An agent of the kind ${kind} must not be started: ${allowed}.`);
  }
  return { ...found, outcome: 'runnable', agent, spec: spec.data };
}

export function cannotRun(type: ProvisioningFailureCode, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true, category: benign });
}
