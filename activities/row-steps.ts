import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { findUnheardLoss, locatePlacement, placeInstance, readPlacement } from '../database/hosts/placements.ts';
import { readRowState, recordFinalStatus, recordStatus } from '../database/instances/status.ts';
import type { RuntimeName } from '../runtimes/registry.ts';
import { statusSeconds } from '../metrics/agents.ts';
import type { ControlPlane } from './control-plane.ts';
import { readRunnable } from './read-runnable.ts';
import type { RowSteps } from './steps.ts';

export interface RowStepDependencies {
  pool: Pool;
  /** The kinds of agents that may be started here. What runs already is still ended, whatever its kind. */
  allowedRuntimes: readonly RuntimeName[];
  control: Pick<ControlPlane, 'removeQueue'>;
}

export function createRowSteps({ pool, allowedRuntimes, control }: RowStepDependencies): RowSteps {
  return {
    place: async ({ instanceId, leavingHostId }) => {
      const found = await readRunnable(pool, instanceId, allowedRuntimes);
      if (found.outcome !== 'runnable') return found;
      const loss = await findUnheardLoss(pool, instanceId, leavingHostId);
      if (loss) return { outcome: 'hostLost', ...loss };
      const { kind, host_labels: labels, replace_after_seconds: replaceAfterSeconds = null } = found.spec;
      const result = await placeInstance(pool, { instanceId, runtime: kind, labels, replaceAfterSeconds });
      return result.outcome === 'noHost' ? { ...result, row: found.row } : result;
    },

    locate: async ({ instanceId, leavingHostId }) => {
      const loss = await findUnheardLoss(pool, instanceId, leavingHostId);
      if (loss) return { outcome: 'hostLost', ...loss };
      const before = await readPlacement(pool, instanceId);
      const now = await locatePlacement(pool, instanceId);
      return now.outcome === 'none' && before ? { ...now, leftHostId: before.hostId } : now;
    },

    readRow: ({ instanceId }) => readRowState(pool, instanceId),

    recordStatus: (input) => recordStatus(pool, input, observeStatus),

    recordFinalStatus: async ({ instanceId, cause }) => {
      // The sweeper may have made the queue again since the clean-up. A RabbitMQ that is away holds nothing up: it removes
      // the queue by itself once nobody has used it for a day.
      const removed = control.removeQueue(instanceId).catch(() => undefined);
      await Promise.race([removed, delay(2_000, undefined, { ref: false })]);
      return recordFinalStatus(pool, instanceId, cause);
    },
  };
}

function observeStatus({ status, seconds }: { status: string; seconds: number }): void {
  statusSeconds.observe({ status }, seconds);
}
