import type { RolloutWithWaves } from '../api/types.ts';
import { addressOf, query } from '../router.ts';
import { useAdmin } from '../session.ts';
import { Friendly, Time } from '../ui/format.tsx';
import { Load } from '../ui/loading.tsx';
import { DeliveryBadge } from './delivery-row.tsx';
import { MovedInstances } from './moved-instances.tsx';
import { RolloutActions } from './rollout-actions.tsx';
import { progressInWords } from './rollout-rows.tsx';
import { RolloutWaves } from './rollout-waves.tsx';

const refreshMs = 2_000;

/** A rollout as it happens. */
export function RolloutView({ id }: { id: string }) {
  const admin = useAdmin();
  const outcome = query.value.get('outcome') ?? '';
  const load = async (signal: AbortSignal) => {
    const [rollout, moved] = await Promise.all([
      admin.rollout(id, signal),
      admin.movedInstances(id, { outcome, limit: '200' }, signal),
    ]);
    return { rollout, moved };
  };
  return (
    <Load key={outcome} from={load} everyMs={refreshMs}>
      {({ rollout, moved }, reload) => (
        <>
          <RolloutHead rollout={rollout} reload={reload} />
          <h2>Waves</h2>
          <RolloutWaves waves={rollout.waves} />
          <h2>Instances</h2>
          <MovedInstances id={id} outcome={outcome} page={moved} />
        </>
      )}
    </Load>
  );
}

function RolloutHead({ rollout, reload }: { rollout: RolloutWithWaves; reload: () => Promise<void> }) {
  const { agent_id: agentId, agent_name: name, version, reason, requested_by: by, created_at: createdAt } = rollout;
  const { total, moved, reverted, strategy, status } = rollout;
  const isGoingBack = status === 'rolling_back' || status === 'rolled_back';
  return (
    <>
      <div class="heading line between">
        <div>
          <h1>{`${name} ${version}`}</h1>
          <p class="line">
            <DeliveryBadge status={status} />
            <span class="quiet">{progressInWords(rollout)}</span>
          </p>
        </div>
        <div class="line">
          <RolloutActions rollout={rollout} reload={reload} />
        </div>
      </div>
      <div class="panel stack">
        <progress
          aria-label={isGoingBack ? 'Instances that have their version back' : 'Instances that were moved'}
          max={Math.max(1, isGoingBack ? moved : total)}
          value={isGoingBack ? reverted : moved}
        />
        {reason !== null && (
          <p>
            <Friendly text={reason.message} />
          </p>
        )}
        <p class="small quiet">
          {'Requested '}
          <Time at={createdAt} />
          {by === null ? '' : ` by ${by}`}
          {`. Strategy: ${JSON.stringify(strategy)}. `}
          <a href={addressOf(['agents', agentId])}>Its agent</a>
        </p>
      </div>
    </>
  );
}
