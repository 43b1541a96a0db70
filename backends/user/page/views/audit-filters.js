import { h } from '../dom.js';
import { addressOf, go } from '../router.js';

const types = ['instance.created', 'instance.updated', 'instance.deleted', 'agent.published', 'agent.retired'];
const ids = [
  ['instance_id', 'Instance'],
  ['agent_id', 'Agent'],
  ['user_id', 'User'],
];
const times = [
  ['from', 'From'],
  ['to', 'To'],
];

/**
 * The filters are part of the address, so that Back and a bookmark bring them again.
 *
 * @param {URLSearchParams} query
 */
export function auditFilters(query) {
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const data = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    const given = Object.fromEntries(
      [...data].map(([name, value]) => [name, typeof value === 'string' ? value.trim() : '']),
    );
    for (const [name = ''] of times) given[name] = toUtc(given[name]);
    go(addressOf(['audit'], given));
  };
  const options = ['', ...types].map((type) =>
    h('option', { value: type, selected: type === (query.get('type') ?? '') }, type === '' ? 'every type' : type),
  );
  return h(
    'form',
    { class: 'panel filter-form', onsubmit: submit, 'aria-label': 'Which entries' },
    h(
      'div',
      { class: 'field' },
      h('label', { for: 'type' }, 'Type'),
      h('select', { id: 'type', name: 'type' }, options),
    ),
    ids.map(([name = '', label]) => field(label, { name, value: query.get(name) ?? '', spellcheck: 'false' })),
    times.map(([name = '', label]) =>
      field(label, { name, type: 'datetime-local', step: 1, value: toLocal(query.get(name)) }),
    ),
    h(
      'div',
      { class: 'buttons' },
      h('button', { type: 'submit', 'data-key': 'filter' }, 'Filter'),
      h('a', { class: 'button', href: addressOf(['audit']), 'data-key': 'no filter' }, 'Show all'),
    ),
  );
}

/**
 * @param {string | undefined} label
 * @param {{ name: string } & Record<string, unknown>} attributes
 */
function field(label, attributes) {
  const { name } = attributes;
  return h('div', { class: 'field' }, h('label', { for: name }, label), h('input', { id: name, ...attributes }));
}

/** @param {string | undefined} local e.g. `2026-11-24T10:52` of here */
function toUtc(local) {
  return local ? new Date(local).toISOString() : '';
}

/** @param {string | null} iso */
function toLocal(iso) {
  if (!iso || Number.isNaN(Date.parse(iso))) return '';
  const date = new Date(iso);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
