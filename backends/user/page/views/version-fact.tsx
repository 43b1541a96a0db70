import type { Instance, InstanceChange } from '../api/types.ts';
import { useSession } from '../session.ts';
import { Action } from '../ui/action.tsx';
import { attempt } from '../ui/notice.tsx';

/** The version that an instance is to run, the one that runs, and buttons to change it and to hold it. */
export function VersionFact({ instance }: { instance: Instance }) {
  const { api, known } = useSession();
  const { id, agent_version: wanted, running_version: running, stable_version: stable, outdated } = instance;
  const isHeld = instance.version_policy === 'hold';
  const change = (to: InstanceChange, done: string): Promise<void> =>
    attempt(async () => known.change(await api.change(id, to)), done);
  return (
    <>
      <p class="line">
        <span>{running === null || running === wanted ? wanted : `${wanted}, while ${running} still runs`}</span>
        {outdated && <span class="tag inline">outdated</span>}
        {isHeld && <span class="tag inline">held</span>}
      </p>
      {outdated && <p class="small quiet">{`New instances get ${stable}.`}</p>}
      <div class="line">
        {outdated && stable !== null && (
          <Action key="update" onAction={() => change({ agent_version: stable }, `It is to run ${stable}.`)}>
            {`Update to ${stable}`}
          </Action>
        )}
        <Action
          key="policy"
          onAction={() =>
            isHeld
              ? change({ version_policy: 'follow' }, 'Rollouts may change its version.')
              : change({ version_policy: 'hold' }, 'Rollouts leave its version alone.')
          }
        >
          {isHeld ? 'Follow rollouts' : 'Hold this version'}
        </Action>
      </div>
    </>
  );
}
