import { addressOf, query } from '../router.ts';
import { useSession } from '../session.ts';
import { Mark } from '../ui/marks.tsx';

const statuses = ['pending', 'running', 'failed', 'stopped'];

/** Links to the list with other filters. */
export function InstanceFilters() {
  const { me } = useSession();
  const status = query.value.get('status') ?? '';
  const owner = query.value.get('owner') ?? '';
  return (
    <nav class="filters line between" aria-label="Which instances">
      <ul class="line">
        <Filter name="all" filters={{ owner }} isPresent={status === ''} />
        {statuses.map((name) => (
          <Filter key={name} name={name} filters={{ owner, status: name }} isPresent={status === name} />
        ))}
      </ul>
      {me.is_admin && (
        <ul class="line">
          <Filter name="everybody's" filters={{ status }} isPresent={owner !== 'mine'} />
          <Filter name="mine" filters={{ status, owner: 'mine' }} isPresent={owner === 'mine'} />
        </ul>
      )}
    </nav>
  );
}

interface FilterProps {
  name: string;
  filters: Record<string, string>;
  isPresent: boolean;
}

function Filter({ name, filters, isPresent }: FilterProps) {
  return (
    <li>
      <a
        class="chip inline small"
        href={addressOf(['instances'], filters)}
        aria-current={isPresent ? 'true' : undefined}
      >
        {statuses.includes(name) && <Mark of={name} />}
        {name}
      </a>
    </li>
  );
}
