import { heartbeat } from '@temporalio/activity';
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { SweepResult } from '../workflows/activities.ts';
import { toAgentDrained, type Cause, type InstanceMessage } from '../workflows/messages.ts';
import { listLiveHosts, listPlacementsWithoutRow } from '../database/hosts/sweep.ts';
import { findAgentsWithRollout } from '../database/rollouts/find.ts';
import { findDeleted, isAtRest, isDrained, readSweptRows, type SweptRow } from '../database/instances/sweep-rows.ts';

export interface SweepDependencies {
  pool: Pool;
  /** Ids of all instances with a running workflow. */
  listWorkflows: () => AsyncIterable<string>;
  /** Signals the workflow of an instance, and starts one if none runs. */
  signalInstance: (
    instanceId: string,
    message: InstanceMessage,
    owner?: { agentId: string; userId: string },
  ) => Promise<void>;
  /** Declares the control queue of an instance and its binding, if they are missing. */
  keepControlQueue: (binding: { instanceId: string; agentId: string }) => Promise<void>;
  /** Keeps a queue that an agent consumes, and tolerates a missing queue. */
  removeUnusedControlQueue: (instanceId: string) => Promise<void>;
  rollouts: {
    /** Ids of all agents whose rollouts have a running workflow. */
    listWorkflows: () => AsyncIterable<string>;
    signalWorkflow: (agentId: string) => Promise<void>;
  };
  /** A row that changed within this time may still be in progress, so it is skipped. */
  graceSeconds?: number;
  logger: Logger;
}

/**
 * Compares rows, workflows and placements, and signals the workflow of each instance that drifted. The workflow checks for itself,
 * so a late or wrong signal does no harm, and sweeps may run at any time and twice.
 */
export async function sweepOnce(dependencies: SweepDependencies): Promise<SweepResult> {
  const { pool, listWorkflows, signalInstance, graceSeconds = 30 } = dependencies;
  const result: SweepResult = {
    rowsNotObserved: 0,
    rowsWithoutWorkflow: 0,
    workflowsWithoutRow: 0,
    placementsWithoutOwner: 0,
    rowsWithoutPlacement: 0,
    rowsAwaitingPublishedAgent: 0,
    rowsOfDrainedAgent: 0,
    hostIds: await listLiveHosts(pool),
  };

  // Read before the rows, so that anything without a row is orphaned rather than newly created.
  const placed = await listPlacementsWithoutRow(pool);
  const workflows = new Set<string>();
  for await (const id of listWorkflows()) {
    workflows.add(id);
    heartbeat();
  }

  const keepListening = createQueueKeeper(dependencies);
  for await (const page of readSweptRows(pool, graceSeconds)) {
    heartbeat();
    for (const row of page) {
      const { id, agentId, userId } = row;
      if (row.listens) await keepListening({ instanceId: id, agentId });
      const drift = driftOf(row, workflows.has(id));
      if (!drift) continue;
      const message = await messageAbout(drift, row, pool);
      if (!message) continue;
      result[drift] += 1;
      await signalInstance(id, message, { agentId, userId });
    }
  }

  for (const { id, sequence } of await findDeleted(pool, [...new Set([...workflows, ...placed])])) {
    heartbeat();
    result[workflows.has(id) ? 'workflowsWithoutRow' : 'placementsWithoutOwner'] += 1;
    await signalInstance(id, { type: 'rowDeleted', sequence, cause: newCause() });
    // One that waits for a lost host looks whether it still has to.
    await signalInstance(id, { type: 'checkRequested' });
  }
  return { ...result, rolloutsWithoutWorkflow: await sweepRollouts(dependencies, graceSeconds) };
}

async function sweepRollouts({ pool, rollouts }: SweepDependencies, graceSeconds: number): Promise<number> {
  const workflows = new Set<string>();
  for await (const id of rollouts.listWorkflows()) workflows.add(id);
  const forgotten = (await findAgentsWithRollout(pool, graceSeconds)).filter((id) => !workflows.has(id));
  for (const id of forgotten) {
    heartbeat();
    await rollouts.signalWorkflow(id);
  }
  return forgotten.length;
}

/**
 * A queue cannot be listed, and whoever lost one does not know: it is declared for each instance that listens. After one
 * failure, the others are left to the next sweep, since each could take as long to fail.
 */
function createQueueKeeper(dependencies: SweepDependencies): SweepDependencies['keepControlQueue'] {
  const { pool, keepControlQueue, removeUnusedControlQueue, logger } = dependencies;
  let isAvailable = true;
  return async (binding) => {
    if (!isAvailable) return;
    heartbeat();
    try {
      await keepControlQueue(binding);
      // The instance may have been cleaned up since its row was read, and its queue removed. Where its agent is only asked to
      // end, the queue still carries the command, and its end would cut the head start of the agent short.
      if (await isAtRest(pool, binding.instanceId)) await removeUnusedControlQueue(binding.instanceId);
    } catch (error) {
      isAvailable = false;
      logger.warn({ err: error, ...binding }, 'a control queue could not be declared; the next sweep tries again');
    }
  };
}

type RowDrift = Exclude<
  keyof SweepResult,
  'workflowsWithoutRow' | 'placementsWithoutOwner' | 'rolloutsWithoutWorkflow' | 'hostIds'
>;

/**
 * Returns the first drift that it finds. Drift of the agent comes late, because a workflow that reads its row reads the agent, too.
 */
function driftOf(row: SweptRow, hasWorkflow: boolean): RowDrift | undefined {
  if (!row.settled) return undefined;
  if (!hasWorkflow) return 'rowsWithoutWorkflow';
  if (!row.observed) return 'rowsNotObserved';
  if (row.isToBeDrained) return 'rowsOfDrainedAgent';
  if (row.awaitsPublishedAgent) return 'rowsAwaitingPublishedAgent';
  if (row.isPlacementLost) return 'rowsWithoutPlacement';
  return undefined;
}

/** @returns the message that the lost event would have caused; undefined if it is obsolete by now */
async function messageAbout(drift: RowDrift, row: SweptRow, pool: Pool): Promise<InstanceMessage | undefined> {
  const { agentId, sequence, generation, desiredState } = row;
  switch (drift) {
    case 'rowsWithoutWorkflow':
      return { type: 'rowChanged', sequence, generation, desiredState, cause: newCause() };
    case 'rowsNotObserved':
    case 'rowsWithoutPlacement':
      return { type: 'checkRequested' };
    case 'rowsAwaitingPublishedAgent':
      return { type: 'agentPublished' };
    case 'rowsOfDrainedAgent': {
      // The agent may have been published again since its row was read with a whole page of others.
      if (!(await isDrained(pool, agentId))) return undefined;
      return toAgentDrained(agentId, generation);
    }
  }
}

/** A sweep starts a trace of its own, to which its effects are traced back. */
function newCause(): Cause {
  const id = randomUUID();
  const hex = id.replaceAll('-', '');
  return { eventId: id, correlationId: id, traceparent: `00-${hex}-${hex.slice(0, 16)}-01` };
}
