import type { ComponentChildren } from 'preact';
import type { Deployment } from '../api/types.ts';
import { Rows } from '../ui/rows.tsx';
import { DeliveryRow } from './delivery-row.tsx';

/** Deployments, each with how far it is. */
export function DeploymentRows({
  deployments,
  empty,
}: {
  deployments: readonly Deployment[];
  empty: ComponentChildren;
}) {
  return (
    <Rows
      items={deployments}
      label="Deployments"
      row={(deployment) => (
        <DeliveryRow
          key={deployment.id}
          kind="deployment"
          id={deployment.id}
          status={deployment.status}
          title={`${deployment.deployment_name} ${deployment.build_id}`}
          progress={partInWords(deployment)}
          reason={deployment.reason}
          requestedAt={deployment.requested_at}
          endedAt={deployment.ended_at}
        />
      )}
      empty={empty}
    />
  );
}

export function partInWords({ percentage, step, steps, held, reset_instances: reset }: Deployment): string {
  const parts = [
    `serves ${percentage} % of the instances`,
    step > 0 && `step ${step} of ${steps.length}`,
    held > 0 && `${held} held on the previous build`,
    reset > 0 && `${reset} reset`,
  ];
  return parts.filter(Boolean).join(' · ');
}
