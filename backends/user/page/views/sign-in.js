import { h } from '../dom.js';
import { tokenOf } from '../session.js';

/**
 * @param {object} options
 * @param {string | undefined} options.reason why the former token no longer does
 * @param {(token: string) => void} options.onToken
 */
export function signInView({ reason, onToken }) {
  const input = h('input', {
    id: 'token',
    type: 'password',
    required: true,
    autocomplete: 'off',
    spellcheck: 'false',
    'aria-describedby': 'token-help',
  });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const token = tokenOf(input.value);
    if (token) onToken(token);
  };
  return h(
    'form',
    { class: 'panel sign-in', onsubmit: submit },
    h('h1', {}, 'Sign in'),
    reason && h('p', { role: 'alert', class: 'problem' }, reason),
    h('div', { class: 'field' }, h('label', { for: 'token' }, 'Your token'), input),
    h(
      'p',
      { id: 'token-help', class: 'quiet' },
      h('code', {}, 'npm start'),
      ' prints addresses that hold one. Elsewhere, whoever runs this engine gives you one. It is kept until ' +
        'you close this tab.',
    ),
    h('button', { type: 'submit', class: 'primary' }, 'Sign in'),
  );
}
