import { fill, h } from '../dom.js';
import { wordsOf } from '../notice.js';
import { addressOf } from '../router.js';
/** @import { Context } from '../app.js' */

/**
 * Whether anything of an instance could not be taken in; for admins alone.
 *
 * @param {Context} context
 * @param {string} id
 */
export function deadLettersOf({ admin, signal }, id) {
  if (!admin) return undefined;
  const place = h('div', {});
  const element = h(
    'section',
    { class: 'panel', 'aria-labelledby': 'letters' },
    h('h2', { id: 'letters' }, 'Dead letters'),
    place,
  );
  return {
    element,
    async load() {
      try {
        const { letters } = await admin.deadLetters({ instance_id: id }, signal);
        const count = letters.length === 1 ? 'one of this instance' : `${letters.length} of this instance`;
        const address = addressOf(['dead-letters'], { instance_id: id });
        fill(
          place,
          letters.length === 0
            ? h('p', { class: 'quiet' }, 'None of this instance.')
            : h('p', {}, h('a', { href: address, 'data-key': 'letters' }, `See ${count}`)),
        );
      } catch (error) {
        if (!signal.aborted) fill(place, h('p', { class: 'warning' }, wordsOf(error)));
      }
    },
  };
}
