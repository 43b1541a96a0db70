import type { Deployment, DeploymentAction } from '../api/types.ts';
import { useAdmin } from '../session.ts';
import { Action } from '../ui/action.tsx';
import { confirm } from '../ui/dialog.tsx';
import { attempt } from '../ui/notice.tsx';

const done: Readonly<Record<DeploymentAction, string>> = {
  pause: 'The candidate gets no more instances until it is resumed.',
  resume: 'It goes on.',
  promote: 'The candidate is to become the current build.',
  rollback: 'The previous build gets the instances back.',
  abort: 'The candidate gets no more tasks.',
};

/** Buttons for what can be asked of the deployment now. */
export function DeploymentActions({ deployment, reload }: { deployment: Deployment; reload: () => Promise<void> }) {
  const admin = useAdmin();
  const { id, status, desired_state: desired, build_id: build, promoted_at: promotedAt, ended_at: end } = deployment;
  if (end !== null || status === 'rolling_back' || desired === 'aborted' || desired === 'rolled_back') return null;

  const ask = (action: DeploymentAction): Promise<void> =>
    attempt(() => admin.askOfDeployment(id, action).then(reload), done[action]);
  const askAfter = async (action: 'rollback' | 'abort', title: string, text: string, word: string): Promise<void> => {
    const confirmed = await confirm({ title, content: <p>{text}</p>, action: word, isDangerous: true });
    if (confirmed) await ask(action);
  };
  const previous = deployment.previous_build_id ?? 'the previous build';
  const rollBack = (): Promise<void> =>
    askAfter(
      'rollback',
      `Roll the deployment of ${build} back?`,
      `${previous} gets every instance back. Workflows that it cannot replay are reset to their last task on it.`,
      'Roll back',
    );
  const abort = (): Promise<void> =>
    askAfter('abort', `Abort the deployment of ${build}?`, 'The candidate gets no more tasks.', 'Abort');

  if (promotedAt !== null) {
    return (
      <Action key="rollback" onAction={rollBack}>
        Roll back …
      </Action>
    );
  }
  return (
    <>
      {desired !== 'promoted' && (
        <Action key="promote" onAction={() => ask('promote')}>
          Promote
        </Action>
      )}
      <Action key="pause" onAction={() => ask(desired === 'paused' ? 'resume' : 'pause')}>
        {desired === 'paused' ? 'Resume' : 'Pause'}
      </Action>
      {deployment.percentage > 0 && (
        <Action key="rollback" onAction={rollBack}>
          Roll back …
        </Action>
      )}
      <Action key="abort" onAction={abort}>
        Abort …
      </Action>
    </>
  );
}
