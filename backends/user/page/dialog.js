import { focusAgain, h } from './dom.js';
/** @import { Child } from './dom.js' */

/**
 * Asks before something is done. The focus goes into the dialog, to the way out, and back when it closes.
 *
 * @param {object} options
 * @param {string} options.title a question
 * @param {Child[]} options.content
 * @param {string} options.action what the button that does it says
 * @param {boolean} [options.isDangerous] it cannot be undone
 * @returns {Promise<FormData | undefined>} what was filled in; undefined when it was not confirmed
 */
export function confirmWith({ title, content, action, isDangerous = false }) {
  const form = h(
    'form',
    { method: 'dialog' },
    h('h2', { id: 'dialog-title' }, title),
    ...content,
    h(
      'div',
      { class: 'buttons' },
      h('button', { type: 'submit', value: 'cancel', autofocus: true }, 'Cancel'),
      h('button', { type: 'submit', value: 'confirm', class: isDangerous ? 'danger' : 'primary' }, action),
    ),
  );
  const opener = document.activeElement;
  const dialog = h('dialog', { 'aria-labelledby': 'dialog-title' }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      const confirmed = dialog.returnValue === 'confirm' ? new FormData(form) : undefined;
      dialog.remove();
      // The browser does it, too, but not where the view was drawn anew meanwhile.
      if (opener instanceof HTMLElement) focusAgain(opener);
      resolve(confirmed);
    });
  });
}
