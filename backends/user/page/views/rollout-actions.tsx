import type { RolloutAction, RolloutWithWaves } from '../api/types.ts';
import { useAdmin } from '../session.ts';
import { Action } from '../ui/action.tsx';
import { confirm } from '../ui/dialog.tsx';
import { attempt } from '../ui/notice.tsx';

const done: Readonly<Record<RolloutAction, string>> = {
  pause: 'No wave begins until it is resumed.',
  resume: 'It goes on.',
  promote: 'It may go on after its canary.',
  abort: 'The moved instances get their versions back.',
};

/** Buttons for what can be asked of the rollout now. */
export function RolloutActions({ rollout, reload }: { rollout: RolloutWithWaves; reload: () => Promise<void> }) {
  const admin = useAdmin();
  const { id, status, desired_state: desired, reason, promoted, ended_at: end } = rollout;
  if (end !== null || status === 'rolling_back' || desired === 'aborted' || desired === 'superseded') return null;

  const ask = (action: RolloutAction): Promise<void> =>
    attempt(() => admin.askOfRollout(id, action).then(reload), done[action]);
  const abort = async (): Promise<void> => {
    const confirmed = await confirm({
      title: `Abort the rollout of ${rollout.agent_name} ${rollout.version}?`,
      content: <p>{`${rollout.moved} moved instances are started again with the versions that they had.`}</p>,
      action: 'Abort',
      isDangerous: true,
    });
    if (confirmed) await ask('abort');
  };
  return (
    <>
      {reason?.code === 'awaiting_promotion' && !promoted && (
        <Action key="promote" onAction={() => ask('promote')}>
          Promote
        </Action>
      )}
      <Action key="pause" onAction={() => ask(desired === 'paused' ? 'resume' : 'pause')}>
        {desired === 'paused' ? 'Resume' : 'Pause'}
      </Action>
      <Action key="abort" onAction={abort}>
        Abort …
      </Action>
    </>
  );
}
