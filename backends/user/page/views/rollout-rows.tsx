import type { ComponentChildren } from 'preact';
import type { Rollout } from '../api/types.ts';
import { Rows } from '../ui/rows.tsx';
import { DeliveryRow } from './delivery-row.tsx';

/** Rollouts, each with how far it is. */
export function RolloutRows({ rollouts, empty }: { rollouts: readonly Rollout[]; empty: ComponentChildren }) {
  return (
    <Rows
      items={rollouts}
      label="Rollouts"
      row={(rollout) => (
        <DeliveryRow
          key={rollout.id}
          kind="rollout"
          id={rollout.id}
          status={rollout.status}
          title={`${rollout.agent_name} ${rollout.version}`}
          progress={progressInWords(rollout)}
          reason={rollout.reason}
          requestedAt={rollout.created_at}
          endedAt={rollout.ended_at}
        />
      )}
      empty={empty}
    />
  );
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
