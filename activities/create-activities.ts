import { setTimeout as delay } from 'node:timers/promises';
import { cancellationSignal, heartbeat } from '@temporalio/activity';
import type { Pool } from 'pg';
import { findUnheardLoss, locatePlacement, placeInstance, readPlacement } from '../database/hosts/placements.ts';
import { readRowState, recordFinalStatus, recordStatus } from '../database/instances/status.ts';
import type { RuntimeName } from '../runtimes/registry.ts';
import { withHeartbeat } from '../runtimes/with-heartbeat.ts';
import type { HostActivities, InstanceActivities } from '../workflows/activities.ts';
import type { ControlPlane } from './control-plane.ts';
import { readRunnable } from './read-runnable.ts';

export interface ActivityDependencies {
  pool: Pool;
  /** The kinds of agents that may be started here. What runs already is still ended, whatever its kind. */
  allowedRuntimes: readonly RuntimeName[];
  control: Pick<ControlPlane, 'removeQueue'>;
}

type SharedActivities = Omit<InstanceActivities, keyof HostActivities>;

/** The activities of the shared task queue. */
export function createActivities({ pool, allowedRuntimes, control }: ActivityDependencies): SharedActivities {
  return {
    place: heartbeating(async ({ instanceId, leavingHostId }) => {
      const found = await readRunnable(pool, instanceId, allowedRuntimes);
      if (found.outcome !== 'runnable') return found;
      const loss = await findUnheardLoss(pool, instanceId, leavingHostId);
      if (loss) return { outcome: 'hostLost', ...loss };
      const { kind, host_labels: labels, replace_after_seconds: replaceAfterSeconds = null } = found.spec;
      const result = await placeInstance(pool, { instanceId, runtime: kind, labels, replaceAfterSeconds });
      return result.outcome === 'noHost' ? { ...result, row: found.row } : result;
    }),

    locate: heartbeating(async ({ instanceId, leavingHostId }) => {
      const loss = await findUnheardLoss(pool, instanceId, leavingHostId);
      if (loss) return { outcome: 'hostLost', ...loss };
      const before = await readPlacement(pool, instanceId);
      const now = await locatePlacement(pool, instanceId);
      return now.outcome === 'none' && before ? { ...now, leftHostId: before.hostId } : now;
    }),

    readRow: heartbeating(({ instanceId }) => readRowState(pool, instanceId)),

    recordStatus: heartbeating((input) => recordStatus(pool, input)),

    recordFinalStatus: heartbeating(async ({ instanceId, cause }) => {
      // The sweeper may have made the queue again since the clean-up. A RabbitMQ that is away holds nothing up: it removes
      // the queue by itself once nobody has used it for a day.
      const removed = control.removeQueue(instanceId).catch(() => undefined);
      await Promise.race([removed, delay(2_000, undefined, { ref: false })]);
      return recordFinalStatus(pool, instanceId, cause);
    }),
  };
}

function heartbeating<Input, Result>(act: (input: Input) => Promise<Result>): (input: Input) => Promise<Result> {
  return (input) => withHeartbeat({ signal: cancellationSignal(), heartbeat: () => heartbeat() }, () => act(input));
}
