import { fill, h } from './dom.js';
/** @import { Json } from './types.ts' */

/** @typedef {ReturnType<typeof jsonField>} JsonField */

/**
 * A box for a JSON object, which says what is wrong with it.
 *
 * @param {object} options
 * @param {string} options.id
 * @param {string} options.label
 * @param {string} options.help
 * @param {number} [options.rows]
 * @param {string} [options.placeholder]
 */
export function jsonField({ id, label, help, rows = 6, placeholder }) {
  const problem = h('p', { id: `${id}-problem`, class: 'problem', role: 'alert' });
  const box = h('textarea', {
    id,
    rows,
    class: 'code',
    spellcheck: 'false',
    autocapitalize: 'off',
    placeholder,
    'aria-describedby': `${id}-problem ${id}-help`,
  });
  const judge = () => {
    const { problem: words } = parse(box.value);
    box.setAttribute('aria-invalid', String(words !== ''));
    fill(problem, words);
    return words;
  };
  // Not when it is left: what is said then would move the button that is just being pressed.
  box.addEventListener('input', () => problem.textContent !== '' && judge());
  const helpText = h('p', { id: `${id}-help`, class: 'quiet' }, help);
  const element = h('div', { class: 'field' }, h('label', { for: id }, label), box, problem, helpText);

  return {
    element,
    box,
    /** @param {Json} value */
    set: (value) => {
      box.value = JSON.stringify(value, null, 2);
      judge();
    },
    /** The object, or undefined when what is written is none: then the box has the focus. */
    read: () => {
      if (judge() === '') return parse(box.value).value;
      box.focus();
      return undefined;
    },
  };
}

/**
 * @param {string} text
 * @returns {{ value?: Json, problem: string }} nothing at all is an empty config
 */
function parse(text) {
  if (text.trim() === '') return { value: {}, problem: '' };
  try {
    const value = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { value, problem: '' };
    return { problem: 'It has to be a JSON object, in curly brackets: {"name": "value"}.' };
  } catch (error) {
    return { problem: `This is not JSON: ${error instanceof Error ? error.message : String(error)}.` };
  }
}
