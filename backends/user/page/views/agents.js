import { confirmWith } from '../dialog.js';
import { fill, h } from '../dom.js';
import { agoElement, idElement } from '../format.js';
import { oneAtATime } from '../instance-actions.js';
import { loadInto } from '../loading.js';
import { badge } from '../marks.js';
import { say, warn } from '../notice.js';
import { addressOf } from '../router.js';
/** @import { Agent } from '../types.ts' */
/** @import { AdminContext, View } from '../views.js' */

/**
 * What is published, for admins.
 *
 * @param {AdminContext} context
 * @returns {View}
 */
export function agentsView({ admin, signal }) {
  const place = h('div', {});
  const load = () =>
    loadInto({
      into: place,
      load: () => admin.agents(signal),
      show: ({ agents }) => fill(place, agents.length === 0 ? none() : h('ul', { class: 'rows' }, agents.map(row))),
      signal,
    });

  /**
   * @param {Agent} agent
   * @param {() => Promise<unknown>} change
   * @param {string} done
   */
  const apply = async ({ name, version }, change, done) => {
    try {
      await change();
      await load();
      say(`${name} ${version} ${done}.`);
    } catch (error) {
      warn(error);
    }
  };

  const retire = async (/** @type {Agent} */ agent) => {
    const confirmed = await confirmRetirement(agent);
    if (!confirmed) return;
    const drain = confirmed.has('drain');
    await apply(
      agent,
      () => admin.retire(agent.id, { drain }),
      drain ? 'is retired; its instances stop' : 'is retired',
    );
  };

  const row = (/** @type {Agent} */ agent) => {
    const { id, retired_at: retired } = agent;
    const takeBack = oneAtATime(() => apply(agent, () => admin.takeBack(id), 'can be used again'));
    return h(
      'li',
      { class: 'row', 'data-agent': id },
      h('div', { class: 'row-state' }, retired === null ? badge('running', 'in use') : badge('stopped', 'retired')),
      agentWords(agent),
      h(
        'p',
        { class: 'row-time quiet' },
        retired === null ? 'changed ' : 'retired ',
        agoElement(retired ?? agent.updated_at),
      ),
      h(
        'div',
        { class: 'row-actions buttons' },
        h(
          'a',
          { class: 'button', href: addressOf(['agents', id]), 'data-key': `change ${id}` },
          'New version',
          about(agent),
        ),
        retired === null
          ? h(
              'button',
              { type: 'button', onclick: () => void retire(agent), 'data-key': `retire ${id}` },
              'Retire …',
              about(agent),
            )
          : h('button', { type: 'button', onclick: takeBack, 'data-key': `retire ${id}` }, 'Take back', about(agent)),
      ),
    );
  };

  void load();
  const publish = h('a', { class: 'button primary', href: addressOf(['agents', 'new']) }, 'Publish an agent');
  return { title: 'Agents', content: [h('div', { class: 'heading' }, h('h1', {}, 'Agents'), publish), place] };
}

/** @param {Agent} agent */
function agentWords({ id, name, version, capabilities, instances, drain, retired_at: retired }) {
  const uses = [
    `${instances} ${instances === 1 ? 'instance' : 'instances'}`,
    capabilities.length > 0 && `can: ${capabilities.join(', ')}`,
    retired !== null && drain && 'its instances were stopped',
  ];
  return h(
    'div',
    { class: 'row-main' },
    h('p', {}, h('span', { class: 'strong' }, `${name} ${version} `), idElement(id)),
    h('p', { class: 'quiet' }, uses.filter(Boolean).join(' · ')),
  );
}

/** Tells the buttons of several agents apart. @param {Agent} agent */
function about({ name, version }) {
  return h('span', { class: 'unseen' }, ` of ${name} ${version}`);
}

function none() {
  return h('div', { class: 'panel empty' }, h('p', {}, 'No agent is published yet.'));
}

/** @param {Agent} agent */
function confirmRetirement({ name, version, instances }) {
  return confirmWith({
    title: `Retire ${name} ${version}?`,
    content: [
      h('p', {}, 'No new instance can be made of it. It can be taken back later.'),
      h(
        'div',
        { class: 'check' },
        h('input', { type: 'checkbox', id: 'drain', name: 'drain' }),
        h('label', { for: 'drain' }, `Also stop its ${instances === 1 ? 'one instance' : `${instances} instances`}`),
      ),
    ],
    action: 'Retire',
  });
}
