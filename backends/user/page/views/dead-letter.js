import { confirmWith } from '../dialog.js';
import { fill, h } from '../dom.js';
import { timeElement } from '../format.js';
import { loadInto } from '../loading.js';
import { sayThere, warn } from '../notice.js';
import { addressOf, go } from '../router.js';
/** @import { DeadLetterContent } from '../types.ts' */
/** @import { AdminContext, View } from '../views.js' */

/**
 * One dead letter in full, to be sent again.
 *
 * @param {AdminContext} context
 * @param {{ queue: string, id: string }} address
 * @returns {View}
 */
export function deadLetterView({ admin, signal }, { queue, id }) {
  const place = h('div', { class: 'stack' });
  const send = async (/** @type {DeadLetterContent} */ letter) => {
    const confirmed = await confirmWith({
      title: 'Send this letter again?',
      content: [h('p', {}, `It goes back into ${letter.origin_queue}, whose service then tries to take it in.`)],
      action: 'Send again',
    });
    if (!confirmed) return;
    try {
      await admin.sendAgain({ queue, id });
      sayThere('The letter is sent again.');
      go(addressOf(['dead-letters']));
    } catch (error) {
      warn(error);
    }
  };
  void loadInto({
    into: place,
    load: () => admin.deadLetter({ queue, id }, signal),
    show: (letter) =>
      fill(
        place,
        content(letter, () => void send(letter)),
      ),
    signal,
  });
  const back = h('a', { class: 'back', href: addressOf(['dead-letters']) }, 'Dead letters');
  return { title: 'A dead letter', content: [back, h('h1', {}, 'A dead letter'), place] };
}

/**
 * @param {DeadLetterContent} letter
 * @param {() => void} onSend
 */
function content({ body, body_cut: cut, body_encoding: encoding, headers, ...letter }, onSend) {
  /** @type {[string, string | Node][]} */
  const facts = [
    ['Type', letter.type ?? 'none'],
    ['Could not be taken in by', letter.origin_queue],
    ['Is in', letter.queue],
    ['Since', letter.time === null ? 'unknown' : timeElement(letter.time)],
    ['Size', `${letter.size_bytes} bytes`],
  ];
  return [
    h('section', { class: 'verdict', 'data-state': 'failed' }, h('p', {}, letter.reason)),
    h(
      'div',
      { class: 'panel' },
      h(
        'dl',
        {},
        facts.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]),
      ),
    ),
    h('h2', {}, 'Body'),
    cut && h('p', { class: 'warning' }, 'Too large to be shown in full.'),
    encoding === 'base64' && h('p', { class: 'quiet' }, 'It is no text, and shown in base64.'),
    h('pre', { class: 'code panel' }, typeof body === 'string' ? pretty(body) : JSON.stringify(body, null, 2)),
    h('h2', {}, 'Headers'),
    h('pre', { class: 'code panel' }, JSON.stringify(headers, null, 2)),
    h('div', { class: 'buttons' }, h('button', { type: 'button', onclick: onSend }, 'Send again …')),
  ];
}

/** @param {string} text */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
