import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { deleteCanary, insertCanary } from '../../database/deployments/steps.ts';
import { inTransaction } from '../../database/transaction.ts';
import { readRowState } from '../../database/instances/status.ts';

/** The workflows of canaries, which `bridge/deployments/canary-workflows.ts` implements. */
export interface CanaryWorkflows {
  /** Starts the workflow of the instance on the workers of a build, before any event of its row can start it elsewhere. */
  start(instanceId: string, buildId: string): Promise<void>;
  isRunning(instanceId: string): Promise<boolean>;
  /** Ends a workflow that its build does not end. The sweeper of the current build then removes what is left of the instance. */
  giveUp(instanceId: string): Promise<void>;
}

export interface CanaryOptions {
  pool: Pool;
  workflows: CanaryWorkflows;
  deploymentId: string;
  buildId: string;
  /** Time within which the instance has to run, and then to be gone. */
  limitMs: number;
  signal: AbortSignal;
  pollMs?: number;
}

export type CanaryResult =
  /** `none`: the strategy names no agent for it, or the deployment has ended. */
  { outcome: 'healthy' | 'none' } | { outcome: 'failed'; message: string };

/**
 * Runs an instance on the workers of a build, and deletes it. It can be repeated after any step: a canary that is there already is gone on
 * with, and nothing is left of it in the end.
 */
export async function runCanary(options: CanaryOptions): Promise<CanaryResult> {
  const { pool, workflows, deploymentId, buildId } = options;
  // The workflow has to be there before the event of the row, which would start it on the current build.
  const instanceId = await inTransaction(pool, undefined, async (transaction) => {
    const inserted = await insertCanary(transaction, deploymentId);
    if (inserted !== undefined) await workflows.start(inserted, buildId);
    return inserted;
  });
  if (instanceId === undefined) return { outcome: 'none' };
  let problem: string | undefined;
  try {
    problem = await untilItRuns(options, instanceId);
  } finally {
    await deleteCanary(pool, deploymentId);
  }
  const isGone = await repeatUntil(options, async () => !(await workflows.isRunning(instanceId)));
  if (!isGone) {
    await workflows.giveUp(instanceId);
    problem ??= `The build ${buildId} did not remove the instance that was run on it in time.`;
  }
  return problem === undefined ? { outcome: 'healthy' } : { outcome: 'failed', message: problem };
}

type Row = Awaited<ReturnType<typeof readRowState>>;

/** @returns why it does not run */
async function untilItRuns(options: CanaryOptions, instanceId: string): Promise<string | undefined> {
  const { pool, buildId } = options;
  const isSettled = (row: Row): boolean => row === null || row.status === 'running' || row.status === 'failed';
  const hasEnded = await repeatUntil(options, async () => isSettled(await readRowState(pool, instanceId)));
  const row = await readRowState(pool, instanceId);
  if (hasEnded && row?.status === 'running') return undefined;
  const reason = row?.reason ? ` ${row.reason.message}` : '';
  const status = row ? `It is ${row.status}.${reason}` : 'Somebody deleted it.';
  return `The instance that was run on the build ${buildId} does not run${hasEnded ? '' : ' in time'}. ${status}`;
}

async function repeatUntil(
  { limitMs, pollMs = 500, signal }: CanaryOptions,
  isDone: () => Promise<boolean>,
): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (!(await isDone())) {
    if (signal.aborted || performance.now() >= deadline) return false;
    await delay(pollMs, undefined, { signal }).catch(() => undefined);
  }
  return true;
}
