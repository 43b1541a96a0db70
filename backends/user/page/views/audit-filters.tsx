import { Fragment } from 'preact';
import type { EventType } from '../../../../contracts/names.ts';
import { addressOf, go, query } from '../router.ts';
import { Field, textsOf } from '../ui/form.tsx';

/** Every type, so that the compiler notices one that is missing. */
const types: Readonly<Record<EventType, string>> = {
  'instance.created': 'instance.created',
  'instance.updated': 'instance.updated',
  'instance.deleted': 'instance.deleted',
  'agent.published': 'agent.published',
  'agent.retired': 'agent.retired',
  'rollout.requested': 'rollout.requested',
  'rollout.updated': 'rollout.updated',
  'rollout.completed': 'rollout.completed',
  'rollout.rolled_back': 'rollout.rolled_back',
  'deployment.requested': 'deployment.requested',
  'deployment.updated': 'deployment.updated',
  'deployment.promoted': 'deployment.promoted',
  'deployment.rolled_back': 'deployment.rolled_back',
};
const ids = [
  { name: 'instance_id', label: 'Instance' },
  { name: 'agent_id', label: 'Agent' },
  { name: 'user_id', label: 'User' },
];
const times = [
  { name: 'from', label: 'From' },
  { name: 'to', label: 'To' },
];

/** The filters are part of the address, so that Back and bookmarks restore them. Other filters make the fields anew. */
export function AuditFilters() {
  const filters = query.value;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const given = textsOf(event);
    for (const { name } of ids) given[name] = given[name]?.trim() ?? '';
    for (const { name } of times) given[name] = toUtc(given[name]);
    go(addressOf(['audit'], given));
  };
  return (
    <form class="panel filter-form stack" onSubmit={submit} aria-label="Which entries">
      <Fragment key={filters.toString()}>
        <Field id="type" label="Type">
          <select id="type" name="type" defaultValue={filters.get('type') ?? ''}>
            <option value="">every type</option>
            {Object.values(types).map((type) => (
              <option key={type} value={type} selected={type === filters.get('type')}>
                {type}
              </option>
            ))}
          </select>
        </Field>
        {ids.map(({ name, label }) => (
          <Field key={name} id={name} label={label}>
            <input id={name} name={name} defaultValue={filters.get(name) ?? ''} spellcheck={false} />
          </Field>
        ))}
        {times.map(({ name, label }) => (
          <Field key={name} id={name} label={label}>
            <input id={name} name={name} type="datetime-local" step={1} defaultValue={toLocal(filters.get(name))} />
          </Field>
        ))}
      </Fragment>
      <div class="line">
        <button type="submit">Filter</button>
        <a class="button" href={addressOf(['audit'])}>
          Show all
        </a>
      </div>
    </form>
  );
}

/** @param local local time, e.g. `2026-11-24T10:52` */
function toUtc(local: string | undefined): string {
  return local ? new Date(local).toISOString() : '';
}

function toLocal(iso: string | null): string {
  if (!iso || Number.isNaN(Date.parse(iso))) return '';
  const date = new Date(iso);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
