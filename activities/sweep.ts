import { heartbeat } from '@temporalio/activity';
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { SweepResult } from '../workflows/activities.ts';
import type { Cause, InstanceMessage } from '../workflows/messages.ts';
import type { Runtime } from '../runtimes/runtime.ts';
import { findGone, readRows } from './drift.ts';

export interface SweepDependencies {
  pool: Pool;
  /** By their kind. */
  runtimes: Readonly<Record<string, Pick<Runtime, 'list'>>>;
  /** Ids of all instances with a running workflow. */
  listWorkflows: () => AsyncIterable<string>;
  /** Tells the workflow of an instance, which is started when there is none. */
  signalInstance: (
    instanceId: string,
    message: InstanceMessage,
    owner?: { agentId: string; userId: string },
  ) => Promise<void>;
  /** A row that changed within this time is still being worked on. */
  graceSeconds?: number;
  logger: Logger;
}

/** A runtime that does not answer takes longer than an activity may go without a heartbeat. */
const heartbeatMs = 5_000;

/**
 * Compares rows, workflows and runtimes. Whatever it finds it only tells to the workflow of the instance, which compares
 * for itself: a message that is late or wrong does nothing, so a sweep may run at any time, and twice. What only a runtime
 * knows of that cannot be listed is left to a later sweep.
 */
export async function sweepOnce(dependencies: SweepDependencies): Promise<SweepResult> {
  const { pool, listWorkflows, signalInstance, graceSeconds = 30 } = dependencies;
  const result = { rowsNotObserved: 0, rowsWithoutWorkflow: 0, workflowsWithoutRow: 0, runtimesWithoutOwner: 0 };

  // Read before the rows: what is found here and has no row then has lost it, or never had one.
  const running = await listRunning(dependencies);
  const workflows = new Set<string>();
  for await (const id of listWorkflows()) {
    workflows.add(id);
    heartbeat();
  }

  for await (const page of readRows(pool, graceSeconds)) {
    heartbeat();
    for (const { id, agentId, userId, reading, observed, settled } of page) {
      const hasWorkflow = workflows.has(id);
      if (!settled || (hasWorkflow && observed)) continue;
      result[hasWorkflow ? 'rowsNotObserved' : 'rowsWithoutWorkflow'] += 1;
      await signalInstance(id, { type: 'rowChanged', ...reading, cause: newCause() }, { agentId, userId });
    }
  }

  for (const { id, sequence } of await findGone(pool, [...new Set([...workflows, ...running])])) {
    heartbeat();
    result[workflows.has(id) ? 'workflowsWithoutRow' : 'runtimesWithoutOwner'] += 1;
    await signalInstance(id, { type: 'rowDeleted', sequence, cause: newCause() });
  }
  return result;
}

/** Ids of all instances for which anything is kept in a runtime that can be listed: what is not in it may exist. */
async function listRunning({ runtimes, logger }: SweepDependencies): Promise<string[]> {
  const timer = setInterval(heartbeat, heartbeatMs);
  const list = async ([kind, runtime]: [string, Pick<Runtime, 'list'>]): Promise<string[]> => {
    try {
      return await runtime.list();
    } catch (error) {
      logger.warn({ err: error, runtime: kind }, 'a runtime cannot be listed; what it keeps for nobody stays for now');
      return [];
    }
  };
  try {
    return (await Promise.all(Object.entries(runtimes).map(list))).flat();
  } finally {
    clearInterval(timer);
  }
}

/** A sweep is a cause of its own: what it leads to is traced back to it. */
function newCause(): Cause {
  const id = randomUUID();
  const hex = id.replaceAll('-', '');
  return { eventId: id, correlationId: id, traceparent: `00-${hex}-${hex.slice(0, 16)}-01` };
}
