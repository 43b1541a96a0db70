import { Problem } from '../api.js';
import { h } from '../dom.js';

/**
 * Each fault of a request, where it has several.
 *
 * @param {unknown} error
 */
export function faults(error) {
  if (!(error instanceof Problem) || error.errors.length < 2) return undefined;
  return h(
    'ul',
    { class: 'problem' },
    error.errors.map(({ path, message }) => h('li', {}, `${path}: ${message}`)),
  );
}
