import { fill, h } from '../dom.js';
import { timelineItems } from './timeline-items.js';
/** @import { Explanation } from '../types.ts' */

/** @type {{ name: string, meaning: string }[]} */
const sources = [
  { name: 'row', meaning: 'what the database says' },
  { name: 'workflow', meaning: 'what the engine does' },
  { name: 'runtime', meaning: 'what runs' },
  { name: 'dead letter', meaning: 'what could not be taken in' },
];

/**
 * What happened, drawn along a line, with what could not be looked at.
 *
 * @param {object} options
 * @param {() => void} options.onEarlier called when earlier lines are wanted
 */
export function timelinePanel({ onEarlier }) {
  const list = h('ol', { class: 'timeline', 'aria-label': 'What happened' });
  const gaps = h('div', {});
  const earlier = h('div', {});
  let shown = '';

  const boxes = sources.map(({ name, meaning }) => {
    const id = `source-${name.replaceAll(' ', '-')}`;
    const box = h('input', { type: 'checkbox', id, checked: true, onchange: () => hide() });
    const label = h('label', { for: id, title: meaning, class: `source is-${name.replaceAll(' ', '-')}` }, name);
    return { name, box, element: h('span', { class: 'check' }, box, label) };
  });
  const hide = () => {
    const hidden = new Set(boxes.flatMap(({ name, box }) => (box.checked ? [] : [name])));
    for (const item of list.children) {
      if (item instanceof HTMLElement) item.hidden = hidden.has(item.dataset['source'] ?? '');
    }
  };

  const element = h(
    'section',
    { class: 'panel happened', 'aria-labelledby': 'timeline' },
    h('h2', { id: 'timeline' }, 'What happened'),
    h(
      'fieldset',
      { class: 'sources' },
      h('legend', {}, 'Show what is known from'),
      boxes.map((box) => box.element),
    ),
    gaps,
    earlier,
    list,
  );
  return {
    element,
    /** @param {Explanation} explanation */
    show({ timeline, earlier_lines: count, missing, not_looked_at: unseen }) {
      const text = JSON.stringify([timeline, count, missing, unseen]);
      if (text === shown) return;
      shown = text;
      fill(gaps, [
        ...missing.map(({ part, reason }) => h('p', { class: 'warning' }, `Missing: the ${part}. ${reason}`)),
        ...unseen.map((what) => h('p', { class: 'warning' }, `Not looked at: ${what}.`)),
      ]);
      fill(
        earlier,
        count > 0 && h('button', { type: 'button', onclick: onEarlier }, `Show what was earlier (${count} lines)`),
      );
      fill(list, timelineItems(timeline));
      hide();
    },
    /** @param {string} words why it cannot be told just now; what was shown stays */
    showProblem(words) {
      shown = '';
      fill(gaps, h('p', { class: 'warning', role: 'alert' }, words));
    },
  };
}
