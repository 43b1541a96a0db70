import { h } from './dom.js';

/**
 * A panel that is open where there is room for it beside others, and closed where it would push them away.
 *
 * @param {string} title
 */
export function foldable(title) {
  const content = h('div', {});
  const open = matchMedia('(min-width: 60rem)').matches;
  const element = h('details', { class: 'panel', open }, h('summary', {}, h('h2', {}, title)), content);
  return { element, content };
}
