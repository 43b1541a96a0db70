import type { Instance } from '../api/types.ts';
import { addressOf } from '../router.ts';
import { useSession } from '../session.ts';
import { Ago, Id, shortId } from '../ui/format.tsx';
import { Badge, pendingChange } from '../ui/marks.tsx';
import { ActionButtons, agentLabel } from './instance-actions.tsx';

export function InstanceRow({ instance }: { instance: Instance }) {
  const { id, status, reason, user_id: owner, updated_at: updated } = instance;
  const { me } = useSession();
  const note = pendingChange(instance);
  return (
    <li class="row" data-instance={id}>
      <div class="row-state stack small">
        <Badge state={status} />
        {note && <span class="quiet">{note}</span>}
      </div>
      <div class="row-main">
        <p class="line">
          <a class="strong" href={addressOf(['instances', id])}>
            {agentLabel(instance)} <Id of={id} />
          </a>
          {instance.agent_retired && <span class="tag inline">agent retired</span>}
          {me.is_admin && (
            <span class="small quiet" title={owner}>
              {owner === me.user_id ? 'mine' : `of user ${shortId(owner)}`}
            </span>
          )}
        </p>
        {reason && <p class="row-reason small bad">{firstSentence(reason.message)}</p>}
      </div>
      <p class="row-time small quiet">
        changed <Ago at={updated} />
      </p>
      <div class="row-actions line">
        <ActionButtons instance={instance} />
      </div>
    </li>
  );
}

/** The reason without the output of the agent, which the view of the instance shows. */
function firstSentence(message: string): string {
  return message.split(/\n| Its last output:| It printed nothing/, 1)[0] ?? message;
}
