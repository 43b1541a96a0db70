import { useAdmin } from '../session.ts';
import { Load } from '../ui/loading.tsx';
import { RolloutRows } from './rollout-rows.tsx';

const refreshMs = 2_000;

export function RolloutsView() {
  const admin = useAdmin();
  return (
    <>
      <h1>Rollouts</h1>
      <p class="quiet">
        A rollout gives the instances of an agent another version, wave by wave. Start one from the versions of an
        agent.
      </p>
      <div>
        <Load from={(signal) => admin.rollouts({ limit: '50' }, signal)} everyMs={refreshMs}>
          {({ rollouts }) => <RolloutRows rollouts={rollouts} empty={<p>No version was rolled out yet.</p>} />}
        </Load>
      </div>
    </>
  );
}
