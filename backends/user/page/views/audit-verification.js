import { fill, h } from '../dom.js';
import { oneAtATime } from '../instance-actions.js';
import { badge } from '../marks.js';
import { wordsOf } from '../notice.js';
/** @import { AuditVerification } from '../types.ts' */

/**
 * Whether the trail is still what was written.
 *
 * @param {() => Promise<AuditVerification>} verify
 */
export function verificationPanel(verify) {
  const result = h('div', { role: 'status' });
  const onclick = oneAtATime(async () => {
    fill(result, h('p', { class: 'quiet' }, 'Verifying …'));
    try {
      fill(result, words(await verify()));
    } catch (error) {
      fill(result, h('p', { class: 'problem' }, wordsOf(error)));
    }
  });
  return h(
    'section',
    { class: 'panel verification', 'aria-label': 'Verification' },
    h('p', {}, 'Each entry is chained to the one before it, so that a change of any of them shows.'),
    h('button', { type: 'button', onclick }, 'Verify the trail'),
    result,
  );
}

/** @param {AuditVerification} verification */
function words({ intact, entries, first_position: first, last_position: last, head_hash: head, problem, notice }) {
  if (!intact) return [h('p', {}, badge('failed', 'not intact')), h('p', { class: 'problem' }, problem)];
  const extent = first === null ? 'There is no entry yet.' : `${entries} entries, from position ${first} to ${last}.`;
  return [
    h('p', {}, badge('running', 'intact'), ` ${extent}`),
    notice !== null && h('p', { class: 'quiet' }, notice),
    head !== null && h('p', { class: 'quiet' }, 'Hash of the last one: ', h('code', { class: 'whole' }, head)),
  ];
}
