import { fill, h } from '../dom.js';
import { friendly } from '../format.js';
import { badge } from '../marks.js';
/** @import { Explanation } from '../types.ts' */

/** What the status of the instance, above, does not say already. */
const spoken = new Set(['waiting', 'stuck', 'unknown']);

/** How the instance stands, in a sentence; said to screen readers when it changes. */
export function verdictPanel() {
  const element = h('section', { class: 'verdict', role: 'status', 'aria-label': 'How it stands' });
  let shown = '';
  return {
    element,
    /** @param {Explanation['verdict']} verdict */
    show({ state, sentence }) {
      if (shown === `${state} ${sentence}`) return;
      shown = `${state} ${sentence}`;
      element.dataset['state'] = state;
      fill(
        element,
        spoken.has(state) && badge(state),
        h('p', {}, friendly(sentence.charAt(0).toUpperCase() + sentence.slice(1))),
      );
    },
  };
}
