import type { DeploymentInstance, FindingPage } from '../api/types.ts';
import { addressOf } from '../router.ts';
import { Ago, Id } from '../ui/format.tsx';
import { Badge } from '../ui/marks.tsx';
import { Rows } from '../ui/rows.tsx';

const findings: Readonly<Record<DeploymentInstance['finding'], [word: string, state: string]>> = {
  replay_failed: ['cannot be replayed', 'failed'],
  would_change: ['would change', 'pending'],
  held: ['held', 'stopped'],
  probe_failed: ['does not answer', 'failed'],
  task_failed: ['task failed', 'failed'],
  instance_failed: ['failed', 'failed'],
  reset: ['reset', 'reverted'],
};

/** Instances of which the deployment found something, each linked to its timeline. */
export function DeploymentInstances({ id, finding, page }: { id: string; finding: string; page: FindingPage }) {
  const names = Object.entries(findings).map(([name, [word]]) => ({ name, word }));
  return (
    <>
      <nav class="filters line" aria-label="Which instances">
        <ul class="line">
          {[{ name: '', word: 'all' }, ...names].map(({ name, word }) => (
            <li key={name}>
              <a
                class="chip inline small"
                href={addressOf(['deployments', id], { finding: name })}
                aria-current={name === finding ? 'true' : undefined}
              >
                {word}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <Rows
        items={page.instances}
        label="Instances of the deployment"
        row={(found) => <FindingRow key={`${found.instance_id} ${found.finding}`} found={found} />}
        empty={<p>There is none.</p>}
      />
      {page.next_after !== null && <p class="small quiet">{`The first ${page.instances.length} are shown.`}</p>}
    </>
  );
}

function FindingRow({ found }: { found: DeploymentInstance }) {
  const { instance_id: id, finding, message, found_at: foundAt, healed_at: healedAt, status } = found;
  const [word, state] = findings[finding];
  return (
    <li class="row" data-found={id}>
      <div class="row-state stack small">
        <Badge state={healedAt === null ? state : 'healthy'} word={healedAt === null ? word : 'well again'} />
      </div>
      <div class="row-main">
        <p class="line">
          <a class="strong" href={addressOf(['instances', id])}>
            Instance <Id of={id} />
          </a>
          <span class="small quiet">
            {[healedAt === null ? undefined : word, status ?? 'deleted since'].filter(Boolean).join(' · ')}
          </span>
        </p>
        <p class="small">{message}</p>
      </div>
      <p class="row-time small quiet">
        <Ago at={healedAt ?? foundAt} />
      </p>
    </li>
  );
}
