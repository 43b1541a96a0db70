import type { ComponentChildren } from 'preact';
import type { Rollout } from '../api/types.ts';
import { addressOf } from '../router.ts';
import { Ago, Friendly, Id } from '../ui/format.tsx';
import { Badge } from '../ui/marks.tsx';
import { Rows } from '../ui/rows.tsx';

/** Rollouts, each with how far it is. */
export function RolloutRows({ rollouts, empty }: { rollouts: readonly Rollout[]; empty: ComponentChildren }) {
  return (
    <Rows
      items={rollouts}
      label="Rollouts"
      row={(rollout) => <RolloutRow key={rollout.id} rollout={rollout} />}
      empty={empty}
    />
  );
}

function RolloutRow({ rollout }: { rollout: Rollout }) {
  const { id, agent_name: name, version, reason, created_at: createdAt, ended_at: endedAt } = rollout;
  return (
    <li class="row" data-rollout={id}>
      <div class="row-state stack small">
        <RolloutBadge rollout={rollout} />
      </div>
      <div class="row-main">
        <p class="line">
          <a class="strong" href={addressOf(['rollouts', id])}>
            {`${name} ${version} `}
            <Id of={id} />
          </a>
        </p>
        <p class="small quiet">{progressInWords(rollout)}</p>
        {reason !== null && (
          <p class="small">
            <Friendly text={reason.message} />
          </p>
        )}
      </div>
      <p class="row-time small quiet">
        {endedAt === null ? 'requested ' : 'ended '}
        <Ago at={endedAt ?? createdAt} />
      </p>
    </li>
  );
}

export function RolloutBadge({ rollout: { status } }: { rollout: Rollout }) {
  return <Badge state={status.replace('_', ' ')} />;
}

export function progressInWords({ wave, moved, total, healthy, failed, reverted }: Rollout): string {
  const counts = [
    wave > 0 && `wave ${wave}`,
    `${moved} of ${total} ${total === 1 ? 'instance' : 'instances'} moved`,
    `${healthy} healthy`,
    `${failed} failed`,
    reverted > 0 && `${reverted} reverted`,
  ];
  return counts.filter(Boolean).join(' · ');
}
