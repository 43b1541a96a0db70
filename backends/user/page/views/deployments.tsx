import { addressOf } from '../router.ts';
import { useAdmin } from '../session.ts';
import { Load } from '../ui/loading.tsx';
import { DeploymentRows } from './deployment-rows.tsx';
import { WorkerBuilds } from './worker-builds.tsx';

const refreshMs = 2_000;

export function DeploymentsView() {
  const admin = useAdmin();
  const load = async (signal: AbortSignal) => {
    const [{ deployments }, { builds }] = await Promise.all([
      admin.deployments({ limit: '50' }, signal),
      admin.builds(signal),
    ]);
    return { deployments, builds };
  };
  return (
    <>
      <div class="heading line between">
        <h1>Deployments</h1>
        <a class="button" href={addressOf(['deployments', 'new'])}>
          Deploy a build …
        </a>
      </div>
      <p class="quiet">
        A deployment makes a build of agents_worker the current one, step by step. The build replays every open history
        before it gets an instance, and is taken back if it fails.
      </p>
      <div>
        <Load from={load} everyMs={refreshMs}>
          {({ deployments, builds }) => (
            <>
              <DeploymentRows deployments={deployments} empty={<p>No build was deployed yet.</p>} />
              <h2>Builds</h2>
              <WorkerBuilds builds={builds} />
            </>
          )}
        </Load>
      </div>
    </>
  );
}
