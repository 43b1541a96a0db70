import { h } from '../dom.js';
import { agoElement, idElement, shortId } from '../format.js';
import { actionButtons, agentLabel } from '../instance-actions.js';
import { badge, underWay } from '../marks.js';
import { addressOf } from '../router.js';
/** @import { Context } from '../app.js' */
/** @import { Instance } from '../types.ts' */

/**
 * One instance in the list.
 *
 * @param {Context} context
 * @param {Instance} instance
 */
export function instanceRow(context, instance) {
  const { id, status, reason, user_id: owner, updated_at: updated } = instance;
  const { me } = context;
  const note = underWay(instance);
  return h(
    'li',
    { class: 'row', 'data-instance': id },
    h('div', { class: 'row-state' }, badge(status), note && h('span', { class: 'quiet' }, note)),
    h(
      'div',
      { class: 'row-main' },
      h(
        'p',
        {},
        h(
          'a',
          { class: 'strong', href: addressOf(['instances', id]), 'data-key': `open ${id}` },
          agentLabel(instance),
          ' ',
          idElement(id),
        ),
        instance.agent_retired && h('span', { class: 'tag' }, 'agent retired'),
        me.is_admin &&
          h('span', { class: 'quiet', title: owner }, owner === me.user_id ? 'mine' : `of user ${shortId(owner)}`),
      ),
      reason && h('p', { class: 'row-reason' }, firstSentence(reason.message)),
    ),
    h('p', { class: 'row-time quiet' }, 'changed ', agoElement(updated)),
    h('div', { class: 'row-actions buttons' }, actionButtons(context, instance)),
  );
}

/**
 * What the agent printed stands in the instance's own view.
 *
 * @param {string} message
 */
export function firstSentence(message) {
  return message.split(/\n| Its last output:| It printed nothing/, 1)[0] ?? message;
}
