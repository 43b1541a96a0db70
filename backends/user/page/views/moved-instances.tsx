import type { MovedInstance, MovedPage } from '../api/types.ts';
import { addressOf } from '../router.ts';
import { Ago, Id } from '../ui/format.tsx';
import { Badge, Mark } from '../ui/marks.tsx';
import { Rows } from '../ui/rows.tsx';

const outcomes = ['moved', 'healthy', 'failed', 'left', 'reverted'];

/** Instances that a rollout moved, each with its outcome. */
export function MovedInstances({ id, outcome, page }: { id: string; outcome: string; page: MovedPage }) {
  return (
    <>
      <nav class="filters line" aria-label="Which instances">
        <ul class="line">
          {['', ...outcomes].map((name) => (
            <li key={name}>
              <a
                class="chip inline small"
                href={addressOf(['rollouts', id], { outcome: name })}
                aria-current={name === outcome ? 'true' : undefined}
              >
                {name !== '' && <Mark of={name} />}
                {name || 'all'}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <Rows
        items={page.instances}
        label="Moved instances"
        row={(instance) => <MovedRow key={instance.instance_id} instance={instance} />}
        empty={<p>There is none.</p>}
      />
      {page.next_after !== null && <p class="small quiet">{`The first ${page.instances.length} are shown.`}</p>}
    </>
  );
}

function MovedRow({ instance }: { instance: MovedInstance }) {
  const { instance_id: id, outcome, message, outcome_at: at } = instance;
  return (
    <li class="row" data-moved={id}>
      <div class="row-state stack small">
        <Badge state={outcome} />
      </div>
      <div class="row-main">
        <p class="line">
          <a class="strong" href={addressOf(['instances', id])}>
            Instance <Id of={id} />
          </a>
          <span class="small quiet">{factsOf(instance)}</span>
        </p>
        {message !== null && <p class="small">{message}</p>}
      </div>
      <p class="row-time small quiet">
        <Ago at={at} />
      </p>
    </li>
  );
}

function factsOf({ wave, status, from_version: from, running_version: runs, judged, excused }: MovedInstance): string {
  const facts = [
    `wave ${wave}`,
    status === null ? 'deleted since' : `${status}${runs === null ? '' : ` with ${runs}`}`,
    from !== null && `came from ${from}`,
    !judged && 'not judged',
    excused && 'not its fault',
  ];
  return facts.filter(Boolean).join(' · ');
}
