import type { ListedAgent } from '../api/types.ts';
import { addressOf } from '../router.ts';
import { useAdmin } from '../session.ts';
import { Action } from '../ui/action.tsx';
import { confirm } from '../ui/dialog.tsx';
import { Ago, Id } from '../ui/format.tsx';
import { Loaded, useLoaded } from '../ui/loading.tsx';
import { Badge } from '../ui/marks.tsx';
import { errorText, say, warn } from '../ui/notice.tsx';

/** All agents, for admins. */
export function AgentsView() {
  const admin = useAdmin();
  const { loading, value, reload } = useLoaded(admin.agents);
  const agents = value?.agents ?? [];
  return (
    <>
      <div class="heading">
        <h1>Agents</h1>
        <a class="button primary" href={addressOf(['agents', 'new'])}>
          Publish an agent
        </a>
      </div>
      <div>
        <Loaded loading={loading}>
          {agents.length === 0 ? (
            <div class="panel empty">
              <p>No agent is published yet.</p>
            </div>
          ) : (
            <ul class="rows">
              {agents.map((agent) => (
                <AgentRow key={agent.id} agent={agent} reload={reload} />
              ))}
            </ul>
          )}
        </Loaded>
      </div>
    </>
  );
}

function AgentRow({ agent, reload }: { agent: ListedAgent; reload: () => Promise<void> }) {
  const admin = useAdmin();
  const { id, name, version, retired_at: retired } = agent;

  const apply = async (change: () => Promise<unknown>, done: string): Promise<void> => {
    try {
      await change();
      await reload();
      say(`${name} ${version} ${done}.`);
    } catch (error) {
      warn(errorText(error));
    }
  };
  const retire = async (): Promise<void> => {
    const confirmed = await confirmRetirement(agent);
    if (!confirmed) return;
    const drain = confirmed.has('drain');
    await apply(() => admin.retire(id, { drain }), drain ? 'is retired; its instances stop' : 'is retired');
  };
  const takeBack = (): Promise<void> => apply(() => admin.takeBack(id), 'can be used again');

  const about = <span class="unseen">{` of ${name} ${version}`}</span>;
  return (
    <li class="row" data-agent={id}>
      <div class="row-state">
        {retired === null ? <Badge state="running" word="in use" /> : <Badge state="stopped" word="retired" />}
      </div>
      <div class="row-main">
        <p>
          <span class="strong">{`${name} ${version} `}</span>
          <Id of={id} />
        </p>
        <p class="quiet">{usesOf(agent)}</p>
      </div>
      <p class="row-time quiet">
        {retired === null ? 'changed ' : 'retired '}
        <Ago at={retired ?? agent.updated_at} />
      </p>
      <div class="row-actions buttons">
        <a class="button" href={addressOf(['agents', id])}>
          New version{about}
        </a>
        <Action onAction={retired === null ? retire : takeBack}>
          {retired === null ? 'Retire …' : 'Take back'}
          {about}
        </Action>
      </div>
    </li>
  );
}

function usesOf({ capabilities, instances, drain, retired_at: retired }: ListedAgent): string {
  const uses = [
    `${instances} ${instances === 1 ? 'instance' : 'instances'}`,
    capabilities.length > 0 && `can: ${capabilities.join(', ')}`,
    retired !== null && drain && 'its instances were stopped',
  ];
  return uses.filter(Boolean).join(' · ');
}

function confirmRetirement({ name, version, instances }: ListedAgent): Promise<FormData | undefined> {
  return confirm({
    title: `Retire ${name} ${version}?`,
    content: (
      <>
        <p>No new instance can be made of it. It can be taken back later.</p>
        <div class="check">
          <input type="checkbox" id="drain" name="drain" />
          <label for="drain">{`Also stop its ${instances === 1 ? 'one instance' : `${instances} instances`}`}</label>
        </div>
      </>
    ),
    action: 'Retire',
  });
}
