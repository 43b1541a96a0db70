import { fill, h } from '../dom.js';
import { idElement, shortId, timeElement } from '../format.js';
import { loadInto } from '../loading.js';
import { addressOf } from '../router.js';
import { auditFilters } from './audit-filters.js';
import { verificationPanel } from './audit-verification.js';
/** @import { AuditEntry } from '../types.ts' */
/** @import { AdminContext, View } from '../views.js' */

/**
 * Everything that was published, newest first, for admins.
 *
 * @param {AdminContext} context
 * @returns {View}
 */
export function auditView({ admin, route, signal }) {
  const query = Object.fromEntries(route.query);
  const list = h('ol', { class: 'rows', 'aria-label': 'Entries' });
  const place = h('div', {});

  const load = (/** @type {string | null} */ cursor) =>
    loadInto({
      into: place,
      load: () => admin.audit({ ...query, limit: '50', ...(cursor !== null && { cursor }) }, signal),
      show: ({ entries, next_cursor: next }) => {
        list.append(...entries.map(row));
        if (list.childElementCount === 0)
          fill(place, h('div', { class: 'panel empty' }, h('p', {}, 'There is no such entry.')));
        else
          fill(
            place,
            list,
            next !== null &&
              h('button', { type: 'button', onclick: () => void load(next), 'data-key': 'more' }, 'Show more'),
          );
      },
      signal,
    });
  void load(null);
  return {
    title: 'Audit trail',
    content: [
      h('h1', {}, 'Audit trail'),
      verificationPanel(() => admin.verification(signal)),
      auditFilters(route.query),
      place,
    ],
  };
}

/** @param {AuditEntry} entry */
function row(entry) {
  const { position, type, time, instance_id: instance, agent_id: agent, user_id: user, sequence } = entry;
  return h(
    'li',
    { class: 'row audit' },
    h('p', { class: 'row-time' }, timeElement(time)),
    h(
      'div',
      { class: 'row-main' },
      h(
        'p',
        {},
        h('span', { class: 'strong' }, type),
        statusOf(entry),
        instance !== null &&
          h('span', {}, ' instance ', h('a', { href: addressOf(['instances', instance]) }, idElement(instance))),
        h('span', { class: 'quiet' }, ` #${sequence}`),
        agent !== null && h('span', { class: 'quiet' }, ' agent ', idElement(agent)),
        user !== null && h('span', { class: 'quiet' }, ' user ', idElement(user)),
      ),
      h(
        'details',
        {},
        h(
          'summary',
          {},
          `Entry ${position}`,
          h('span', { class: 'unseen' }, ` ${type} ${instance ? shortId(instance) : ''}`),
        ),
        h('pre', { class: 'code' }, JSON.stringify(entry, null, 2)),
      ),
    ),
  );
}

/** @param {AuditEntry} entry */
function statusOf({ body }) {
  const status = typeof body === 'object' && body !== null && 'status' in body && body.status;
  return typeof status === 'string' && h('span', { class: 'quiet' }, ` ${status}`);
}
