import { heartbeat } from '@temporalio/activity';
import type { Pool } from 'pg';
import { listPlaced, type PlacedInstance } from '../database/hosts/sweep.ts';
import type { KeptInstance } from '../runtimes/runtime.ts';
import type { HostSweepResult } from '../workflows/activities.ts';
import type { InstanceMessage } from '../workflows/messages.ts';
import type { ServedHost } from './host-steps.ts';

export interface HostSweepDependencies {
  pool: Pool;
  host: ServedHost;
  /** Signals the workflow of an instance, and starts one if none runs. */
  signalInstance: (instanceId: string, message: InstanceMessage) => Promise<void>;
  /** A row that changed within this time may still be in progress, so it is skipped. */
  graceSeconds?: number;
}

/** A runtime that does not answer takes longer than an activity may go without a heartbeat. */
const heartbeatMs = 5_000;

/**
 * Compares what a host keeps with what is placed on it, and signals the workflow of each instance that drifted. Such drift occurs, for
 * example, after a backup of the database was restored, or when a lost host comes back.
 *
 * @throws an error of the runtime when it cannot be listed
 */
export async function sweepHostOnce({
  pool,
  host,
  signalInstance,
  graceSeconds = 30,
}: HostSweepDependencies): Promise<HostSweepResult> {
  const timer = setInterval(heartbeat, heartbeatMs);
  try {
    const kept = await listKept(host);
    const placed = new Map((await listPlaced(pool, host.id, graceSeconds)).map((each) => [each.id, each]));
    const result: HostSweepResult = { strayAgents: 0, rowsWithoutRuntime: 0, rowsUnlikeRuntime: 0 };
    for (const instance of placed.values()) {
      const drift = driftOf(instance, kept.get(instance.id));
      if (!drift) continue;
      result[drift] += 1;
      await signalInstance(instance.id, { type: 'checkRequested' });
    }
    const strays = [...kept.keys()].filter((id) => !placed.has(id));
    // What was cleaned up since the host was listed is placed nowhere, and is no longer kept.
    const keptNow = strays.length > 0 ? await listKept(host) : kept;
    for (const id of strays.filter((stray) => keptNow.has(stray))) {
      result.strayAgents += 1;
      await signalInstance(id, { type: 'agentFound', hostId: host.id });
    }
    return result;
  } finally {
    clearInterval(timer);
  }
}

function driftOf(
  { status, generation, isStuck, hasReason, settled }: PlacedInstance,
  found: KeptInstance | undefined,
): Exclude<keyof HostSweepResult, 'strayAgents'> | undefined {
  if (!settled || status === null) return undefined;
  switch (status) {
    case 'running':
      if (!found) return 'rowsWithoutRuntime';
      return (found.generation ?? generation) === generation ? undefined : 'rowsUnlikeRuntime';
    case 'stopped':
    case 'failed':
      // The workflow itself retries a failed clean-up.
      return found && !isStuck ? 'rowsUnlikeRuntime' : undefined;
    case 'pending':
      // The agent takes long to become ready, or it is and the row does not say so.
      return found?.generation === generation && !hasReason ? 'rowsUnlikeRuntime' : undefined;
  }
}

async function listKept({ runtime }: ServedHost): Promise<ReadonlyMap<string, KeptInstance>> {
  const kept = (await runtime.list()) ?? [];
  return new Map(kept.map((instance) => [instance.instanceId, instance]));
}
