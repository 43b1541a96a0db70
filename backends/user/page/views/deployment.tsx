import type { Deployment } from '../api/types.ts';
import { query } from '../router.ts';
import { useAdmin } from '../session.ts';
import { Friendly, Time } from '../ui/format.tsx';
import { Load } from '../ui/loading.tsx';
import { DeploymentActions } from './deployment-actions.tsx';
import { BlastRadius, DeploymentGate, DeploymentSteps } from './deployment-checks.tsx';
import { DeploymentInstances } from './deployment-instances.tsx';
import { DeliveryBadge } from './delivery-row.tsx';
import { partInWords } from './deployment-rows.tsx';

const refreshMs = 2_000;

/** A deployment as it happens. */
export function DeploymentView({ id }: { id: string }) {
  const admin = useAdmin();
  const finding = query.value.get('finding') ?? '';
  const load = async (signal: AbortSignal) => {
    const [deployment, found] = await Promise.all([
      admin.deployment(id, signal),
      admin.findings(id, { finding, limit: '200' }, signal),
    ]);
    return { deployment, found };
  };
  return (
    <Load key={finding} from={load} everyMs={refreshMs}>
      {({ deployment, found }, reload) => (
        <>
          <DeploymentHead deployment={deployment} reload={reload} />
          <h2>Steps</h2>
          <DeploymentSteps deployment={deployment} />
          <h2>Gate</h2>
          <DeploymentGate deployment={deployment} />
          <h2>Blast radius</h2>
          <BlastRadius deployment={deployment} />
          <h2>Instances</h2>
          <DeploymentInstances id={id} finding={finding} page={found} />
        </>
      )}
    </Load>
  );
}

function DeploymentHead({ deployment, reload }: { deployment: Deployment; reload: () => Promise<void> }) {
  const { deployment_name: name, build_id: build, previous_build_id: previous, reason, percentage } = deployment;
  const { requested_by: by, requested_at: requestedAt, strategy } = deployment;
  return (
    <>
      <div class="heading line between">
        <div>
          <h1>{build}</h1>
          <p class="line">
            <DeliveryBadge status={deployment.status} />
            <span class="quiet">{partInWords(deployment)}</span>
          </p>
        </div>
        <div class="line">
          <DeploymentActions deployment={deployment} reload={reload} />
        </div>
      </div>
      <div class="panel stack">
        <progress aria-label="Instances that the candidate serves" max={100} value={percentage} />
        {reason !== null && (
          <p>
            <Friendly text={reason.message} />
          </p>
        )}
        <p class="small quiet">
          {`Of ${name}, after ${previous ?? 'workers without a build'}. Requested `}
          <Time at={requestedAt} />
          {by === null ? '' : ` by ${by}`}
          {`. Strategy: ${JSON.stringify(strategy)}.`}
        </p>
      </div>
    </>
  );
}
