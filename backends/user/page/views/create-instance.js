import { configField } from '../config-field.js';
import { fill, h } from '../dom.js';
import { oneAtATime } from '../instance-actions.js';
import { loadInto } from '../loading.js';
import { wordsOf } from '../notice.js';
import { addressOf, go } from '../router.js';
import { faults } from './faults.js';
/** @import { Context } from '../app.js' */
/** @import { CatalogAgent } from '../types.ts' */
/** @import { View } from '../views.js' */

/**
 * @param {Context} context
 * @returns {View}
 */
export function createInstanceView(context) {
  const { api, signal } = context;
  const place = h('div', {});
  const show = (/** @type {{ agents: CatalogAgent[] }} */ { agents }) =>
    fill(place, agents.length === 0 ? noAgents(context) : createForm(context, agents));
  void loadInto({ into: place, load: () => api.agents(signal), show, signal });
  return { title: 'Create an instance', content: [h('h1', {}, 'Create an instance'), place] };
}

/** @param {Context} context */
function noAgents({ admin }) {
  return h(
    'div',
    { class: 'panel empty' },
    h('p', {}, 'No agent is published that an instance could be made of.'),
    admin
      ? h('p', {}, h('a', { class: 'button primary', href: addressOf(['agents', 'new']) }, 'Publish an agent'))
      : h('p', {}, 'Ask whoever runs this engine to publish one.'),
  );
}

/**
 * @param {Context} context
 * @param {CatalogAgent[]} agents
 */
function createForm({ api, known, signal }, agents) {
  const options = agents.map(({ id, name, version }) => h('option', { value: id }, `${name} ${version}`));
  const select = h('select', { id: 'agent', 'aria-describedby': 'agent-help' }, options);
  const agentHelp = h('p', { id: 'agent-help', class: 'quiet' });
  const config = configField('Empty is fine: then the agent has its defaults.');
  const runs = h('input', { type: 'checkbox', id: 'runs', checked: true });
  const problem = h('div', { role: 'alert' });

  const chosen = () => agents.find(({ id }) => id === select.value);
  const describe = () => {
    const { capabilities = [], name } = chosen() ?? {};
    fill(agentHelp, capabilities.length > 0 && `It can: ${capabilities.join(', ')}.`);
    config.offerExamples(name ?? '');
  };
  select.addEventListener('change', describe);
  describe();

  const attempt = createAttempts();
  const submit = oneAtATime(async () => {
    const value = config.read();
    if (!value) return;
    const body = { agent_id: select.value, config: value, desired_state: runs.checked ? 'running' : 'stopped' };
    fill(problem);
    try {
      const instance = await api.create(body, attempt(body));
      known.learn(instance);
      if (!signal.aborted) go(addressOf(['instances', instance.id]));
    } catch (error) {
      fill(problem, h('p', { class: 'problem' }, wordsOf(error)), faults(error));
    }
  });
  return h(
    'form',
    { class: 'panel form', novalidate: true, onsubmit: submit },
    h('div', { class: 'field' }, h('label', { for: 'agent' }, 'Agent'), select, agentHelp),
    config.element,
    h('div', { class: 'check' }, runs, h('label', { for: 'runs' }, 'Start it at once')),
    problem,
    h(
      'div',
      { class: 'buttons' },
      h('button', { type: 'submit', class: 'primary' }, 'Create'),
      h('a', { class: 'button', href: addressOf(['instances']) }, 'Cancel'),
    ),
  );
}

/** A key for each wish: asking for the same again, after an answer that was lost, makes no second instance. */
function createAttempts() {
  let before = '';
  let key = '';
  return (/** @type {object} */ body) => {
    const now = JSON.stringify(body);
    if (now !== before)
      key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16)).join('-');
    before = now;
    return key;
  };
}
