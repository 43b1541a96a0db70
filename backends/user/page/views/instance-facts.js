import { h } from '../dom.js';
import { agoElement, idElement, shortId, timeElement } from '../format.js';
import { actionButtons, agentLabel, deleteButton } from '../instance-actions.js';
import { badge, underWay } from '../marks.js';
import { addressOf } from '../router.js';
/** @import { Context } from '../app.js' */
/** @import { Child } from '../dom.js' */
/** @import { Instance } from '../types.ts' */

/**
 * Heading, state and actions.
 *
 * @param {Context} context
 * @param {string} id
 * @param {Instance | undefined} instance undefined when it was deleted
 */
export function instanceHead(context, id, instance) {
  const back = h('a', { class: 'back', href: addressOf(['instances']) }, 'Instances');
  if (!instance) return h('div', {}, back, h('h1', {}, 'Instance ', idElement(id), ' '), badge('deleted'));
  const note = underWay(instance);
  return [
    h(
      'div',
      {},
      back,
      h('h1', {}, agentLabel(instance), ' ', idElement(id)),
      h('p', {}, badge(instance.status), ' ', note && h('span', { class: 'quiet' }, note)),
    ),
    h('div', { class: 'buttons' }, actionButtons(context, instance), deleteButton(context, instance)),
  ];
}

/**
 * @param {Context} context
 * @param {string} id
 * @param {Instance | undefined} instance
 */
export function instanceFacts(context, id, instance) {
  return [
    h(
      'dl',
      {},
      [...factsOf(context, id, instance)].flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]),
    ),
    h('ul', { class: 'links' }, [...linksOf(context, id)]),
  ];
}

/**
 * @param {Context} context
 * @param {string} id
 * @param {Instance | undefined} instance
 * @returns {Generator<[string, Child | Child[]]>}
 */
function* factsOf({ me }, id, instance) {
  yield ['Id', h('code', { class: 'whole' }, id)];
  if (!instance) return;
  const { desired_state: wanted, generation, observed_generation: observed, user_id: owner } = instance;
  const retired = instance.agent_retired && h('span', { class: 'tag' }, 'retired');
  yield ['Agent', [agentLabel(instance), ' ', idElement(instance.agent_id), retired]];
  if (me.is_admin) yield ['User', owner === me.user_id ? 'you' : h('code', { title: owner }, shortId(owner))];
  yield ['Wanted', wanted];
  yield ['Generation', observed === generation ? generation : `${generation}, of which ${observed} has come about`];
  yield ['Created', timeElement(instance.created_at)];
  yield ['Changed', agoElement(instance.updated_at)];
}

/**
 * Where more is known of it.
 *
 * @param {Context} context
 * @param {string} id
 */
function* linksOf({ settings, admin }, id) {
  if (settings.temporal_ui_url !== null) {
    const href = `${settings.temporal_ui_url}/${encodeURIComponent(`instance/${id}`)}`;
    const attributes = { href, target: '_blank', rel: 'noreferrer', 'data-key': 'workflow' };
    yield h(
      'li',
      {},
      h('a', attributes, 'Its workflow in the Web UI', h('span', { class: 'unseen' }, ' (opens a new tab)'), ' ↗'),
    );
  }
  if (admin)
    yield h(
      'li',
      {},
      h('a', { href: addressOf(['audit'], { instance_id: id }), 'data-key': 'audit' }, 'Its audit trail'),
    );
}
