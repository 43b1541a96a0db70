import type { Instance } from '../api/types.ts';
import { useSession } from '../session.ts';
import { Action } from '../ui/action.tsx';
import { confirm } from '../ui/dialog.tsx';
import { shortId } from '../ui/format.tsx';
import { attempt } from '../ui/notice.tsx';

export function agentLabel({ agent_name: name, agent_version: version }: Instance): string {
  return name === null ? 'an agent not published yet' : `${name} ${version ?? ''}`.trim();
}

const asked = { stop: 'asked to stop', start: 'asked to start', retry: 'asked to try again' };

/** Buttons for the actions that make sense now. Stop and Start share a key, so that the focus stays when they change places. */
export function ActionButtons({ instance }: { instance: Instance }) {
  const { api, known } = useSession();
  const { id } = instance;
  const about = <span class="unseen">{` ${agentLabel(instance)} ${shortId(id)}`}</span>;
  const ask = (action: keyof typeof asked): Promise<void> =>
    attempt(async () => known.change(await api.ask(id, action)), `Instance ${shortId(id)} is ${asked[action]}.`);
  const isDesired = instance.desired_state === 'running';
  return (
    <>
      {canBeRetried(instance) && (
        <Action key="retry" onAction={() => ask('retry')}>
          Try again{about}
        </Action>
      )}
      <Action key="power" onAction={() => ask(isDesired ? 'stop' : 'start')}>
        {isDesired ? 'Stop' : 'Start'}
        {about}
      </Action>
    </>
  );
}

export function DeleteButton({ instance }: { instance: Instance }) {
  const { api, known } = useSession();
  const { id } = instance;
  const remove = async (): Promise<void> => {
    const confirmed = await confirm({
      title: `Delete instance ${shortId(id)}?`,
      content: (
        <>
          <p>{`Its agent, ${agentLabel(instance)}, is stopped, and all that was made for it is removed.`}</p>
          <p>This cannot be undone. What happened to it can still be read at this address.</p>
        </>
      ),
      action: 'Delete',
      isDangerous: true,
    });
    const done = `Instance ${shortId(id)} is deleted; its agent is being cleaned up.`;
    if (confirmed) await attempt(async () => known.bury(await api.remove(id)), done);
  };
  return (
    <button type="button" class="danger" onClick={() => void remove()}>
      Delete …
    </button>
  );
}

/** Whether the instance has failed, waits before a restart, or was ended by the retirement of its agent. */
function canBeRetried({ status, desired_state: desired, reason }: Instance): boolean {
  if (status === 'failed') return true;
  return desired === 'running' && (reason?.code === 'restarting' || reason?.code === 'agent_retired');
}
