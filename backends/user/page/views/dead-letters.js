import { fill, h } from '../dom.js';
import { idElement, timeElement } from '../format.js';
import { loadInto } from '../loading.js';
import { badge } from '../marks.js';
import { addressOf } from '../router.js';
/** @import { DeadLetters } from '../admin-api.js' */
/** @import { DeadLetter } from '../types.ts' */
/** @import { AdminContext, View } from '../views.js' */

/**
 * Messages that a service could not take in, for admins.
 *
 * @param {AdminContext} context
 * @returns {View}
 */
export function deadLettersView({ admin, route, signal }) {
  const query = Object.fromEntries(route.query);
  const instance = route.query.get('instance_id');
  const place = h('div', { class: 'stack' });
  void loadInto({
    into: place,
    load: () => admin.deadLetters(query, signal),
    show: (found) => fill(place, foundLetters(found)),
    signal,
  });
  return {
    title: 'Dead letters',
    content: [
      h('h1', {}, 'Dead letters'),
      h(
        'p',
        { class: 'quiet' },
        'Messages that a service could not take in. They stay until somebody sends them again.',
      ),
      instance &&
        h(
          'p',
          {},
          'Only of instance ',
          idElement(instance),
          '. ',
          h('a', { href: addressOf(['dead-letters']) }, 'Show all'),
        ),
      place,
    ].filter((node) => node instanceof Node),
  };
}

/** @param {DeadLetters} found */
function foundLetters({ letters, not_looked_at: unseen }) {
  return [
    ...unseen.map((what) => h('p', { class: 'warning' }, `Not looked at: ${what}.`)),
    letters.length === 0
      ? h('div', { class: 'panel empty' }, h('p', {}, 'There is none: everything was taken in.'))
      : h('ul', { class: 'rows' }, letters.map(row)),
  ];
}

/** @param {DeadLetter} letter */
function row({ id, queue, origin_queue: origin, type, subject, sequence, reason, time, size_bytes: bytes }) {
  const name = type ?? 'A message without a type';
  return h(
    'li',
    { class: 'row' },
    h('div', { class: 'row-state' }, badge('failed', 'not taken in')),
    h(
      'div',
      { class: 'row-main' },
      h(
        'p',
        {},
        h(
          'a',
          { class: 'strong', href: addressOf(['dead-letters', queue, id]), 'data-key': `open ${id}` },
          name,
          sequence !== null && ` #${sequence}`,
        ),
        subject !== null && h('span', { class: 'quiet' }, ' of ', idElement(subject)),
        h('span', { class: 'quiet' }, ` by ${origin}`),
      ),
      h('p', { class: 'row-reason' }, reason),
    ),
    h('p', { class: 'row-time quiet' }, time === null ? 'time unknown' : timeElement(time), `, ${bytes} bytes`),
  );
}
