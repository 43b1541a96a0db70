import type { ComponentChildren } from 'preact';
import type { Deployment } from '../api/types.ts';
import { addressOf } from '../router.ts';
import { Ago, Friendly, Id } from '../ui/format.tsx';
import { Badge } from '../ui/marks.tsx';
import { Rows } from '../ui/rows.tsx';

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
      row={(deployment) => <DeploymentRow key={deployment.id} deployment={deployment} />}
      empty={empty}
    />
  );
}

function DeploymentRow({ deployment }: { deployment: Deployment }) {
  const {
    id,
    deployment_name: name,
    build_id: build,
    reason,
    requested_at: requestedAt,
    ended_at: endedAt,
  } = deployment;
  return (
    <li class="row" data-deployment={id}>
      <div class="row-state stack small">
        <DeploymentBadge deployment={deployment} />
      </div>
      <div class="row-main">
        <p class="line">
          <a class="strong" href={addressOf(['deployments', id])}>
            {`${name} ${build} `}
            <Id of={id} />
          </a>
        </p>
        <p class="small quiet">{partInWords(deployment)}</p>
        {reason !== null && (
          <p class="small">
            <Friendly text={reason.message} />
          </p>
        )}
      </div>
      <p class="row-time small quiet">
        {endedAt === null ? 'requested ' : 'ended '}
        <Ago at={endedAt ?? requestedAt} />
      </p>
    </li>
  );
}

export function DeploymentBadge({ deployment: { status } }: { deployment: Deployment }) {
  return <Badge state={status.replace('_', ' ')} />;
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
