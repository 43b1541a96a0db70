import type { ListedAgent } from '../api/types.ts';
import { addressOf } from '../router.ts';
import { useAdmin } from '../session.ts';
import { Action } from '../ui/action.tsx';
import { confirm } from '../ui/dialog.tsx';
import { Ago, Id } from '../ui/format.tsx';
import { Load } from '../ui/loading.tsx';
import { Badge } from '../ui/marks.tsx';
import { attempt } from '../ui/notice.tsx';
import { Rows } from '../ui/rows.tsx';

export function AgentsView() {
  const admin = useAdmin();
  return (
    <>
      <div class="heading line between">
        <h1>Agents</h1>
        <a class="button primary" href={addressOf(['agents', 'new'])}>
          Publish an agent
        </a>
      </div>
      <div>
        <Load from={admin.agents}>
          {({ agents }, reload) => (
            <Rows
              items={agents}
              row={(agent) => <AgentRow key={agent.id} agent={agent} reload={reload} />}
              empty={<p>No agent is published yet.</p>}
            />
          )}
        </Load>
      </div>
    </>
  );
}

function AgentRow({ agent, reload }: { agent: ListedAgent; reload: () => Promise<void> }) {
  const admin = useAdmin();
  const { id, name, version, retired_at: retired } = agent;

  const apply = (change: () => Promise<unknown>, done: string): Promise<void> =>
    attempt(() => change().then(reload), `${name} ${version} ${done}.`);
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
      <div class="row-state stack small">
        {retired === null ? <Badge state="running" word="in use" /> : <Badge state="stopped" word="retired" />}
      </div>
      <div class="row-main">
        <p class="line">
          <span class="strong">{`${name} ${version} `}</span>
          <Id of={id} />
        </p>
        <p class="small quiet">{usesOf(agent)}</p>
      </div>
      <p class="row-time small quiet">
        {retired === null ? 'changed ' : 'retired '}
        <Ago at={retired ?? agent.updated_at} />
      </p>
      <div class="row-actions line">
        <a class="button" href={addressOf(['agents', id])}>
          Versions{about}
        </a>
        <Action onAction={retired === null ? retire : takeBack}>
          {retired === null ? 'Retire …' : 'Take back'}
          {about}
        </Action>
      </div>
    </li>
  );
}

function usesOf(agent: ListedAgent): string {
  const { version, stable_version: stable, capabilities, instances, drain, retired_at: retired } = agent;
  const uses = [
    stable !== version && `new instances get ${stable}`,
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
        <div class="check inline">
          <input type="checkbox" id="drain" name="drain" />
          <label for="drain">{`Also stop its ${instances === 1 ? 'one instance' : `${instances} instances`}`}</label>
        </div>
      </>
    ),
    action: 'Retire',
  });
}
