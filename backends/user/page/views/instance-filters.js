import { h } from '../dom.js';
import { markOf } from '../marks.js';
import { addressOf } from '../router.js';

const statuses = ['pending', 'running', 'failed', 'stopped'];

/**
 * @param {URLSearchParams} query
 * @param {boolean} isAdmin
 */
export function instanceFilters(query, isAdmin) {
  const status = query.get('status') ?? '';
  const owner = query.get('owner') ?? '';
  const ofStatus = [
    link('all', { owner }, status === ''),
    ...statuses.map((name) => link(name, { owner, status: name }, status === name)),
  ];
  return h(
    'nav',
    { class: 'filters', 'aria-label': 'Which instances' },
    h('ul', {}, ofStatus),
    isAdmin &&
      h('ul', {}, [
        link("everybody's", { status }, owner !== 'mine'),
        link('mine', { status, owner: 'mine' }, owner === 'mine'),
      ]),
  );
}

/**
 * @param {string} name
 * @param {Record<string, string>} query
 * @param {boolean} isPresent
 */
function link(name, query, isPresent) {
  const attributes = {
    class: 'chip',
    href: addressOf(['instances'], query),
    'aria-current': isPresent && 'true',
    'data-key': `filter ${name}`,
  };
  return h('li', {}, h('a', attributes, statuses.includes(name) && markOf(name), name));
}

/**
 * What stands where there is nothing, and where to go from there.
 *
 * @param {URLSearchParams} query
 */
export function emptyList(query) {
  const status = query.get('status');
  if (status) {
    return h('div', { class: 'panel empty' }, h('p', {}, `No instance is ${status}.`));
  }
  return h(
    'div',
    { class: 'panel empty' },
    h('p', {}, 'There is no instance yet. An instance is an agent that runs for you, with a config of its own.'),
    h('p', {}, h('a', { class: 'button primary', href: addressOf(['new']) }, 'Create the first one')),
  );
}
