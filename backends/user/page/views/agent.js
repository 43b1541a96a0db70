import { fill, h } from '../dom.js';
import { oneAtATime } from '../instance-actions.js';
import { jsonField } from '../json-field.js';
import { loadInto } from '../loading.js';
import { sayThere, wordsOf } from '../notice.js';
import { addressOf, go } from '../router.js';
import { faults } from './faults.js';
/** @import { AgentFields } from '../admin-api.js' */
/** @import { Agent, Json } from '../types.ts' */
/** @import { AdminContext, View } from '../views.js' */

/** @type {Record<string, Json>} */
const templates = {
  process: {
    kind: 'process',
    command: ['node', 'agent.mjs'],
    working_directory: '/opt/agents/my-agent',
    ready: 'started',
    stop_grace_seconds: 10,
    restart: { policy: 'on_failure', max_restarts: 5 },
  },
  container: {
    kind: 'docker',
    image: 'registry.example.com/my-agent:1.0.0',
    ready: 'started',
    memory_mebibytes: 256,
    network: 'none',
    restart: { policy: 'on_failure', max_restarts: 5 },
  },
};

/**
 * Publishes an agent, or a new version of one.
 *
 * @param {AdminContext} context
 * @param {string | undefined} id
 * @returns {View}
 */
export function agentView({ admin, signal }, id) {
  const place = h('div', {});
  if (id === undefined) {
    fill(place, agentForm({ action: 'Publish', save: admin.publishAgent }));
    return { title: 'Publish an agent', content: [h('h1', {}, 'Publish an agent'), place] };
  }
  const save = (/** @type {AgentFields} */ fields) => admin.change(id, fields);
  void loadInto({
    into: place,
    load: () => admin.agent(id, signal),
    show: (agent) => fill(place, agentForm({ action: 'Publish this version', save, agent })),
    signal,
  });
  return { title: 'A new version', content: [h('h1', {}, 'A new version'), place] };
}

/**
 * @param {object} options
 * @param {string} options.action
 * @param {(fields: AgentFields) => Promise<Agent>} options.save
 * @param {Agent} [options.agent]
 */
function agentForm({ action, save, agent }) {
  const name = h('input', { id: 'name', required: true, value: agent?.name ?? '' });
  const version = h('input', { id: 'version', required: true, value: agent?.version ?? '1.0.0' });
  const capabilities = h('input', {
    id: 'capabilities',
    value: agent?.capabilities.join(', ') ?? '',
    'aria-describedby': 'capabilities-help',
  });
  const runtime = jsonField({
    id: 'runtime',
    label: 'How it is run, as JSON',
    help: agent
      ? 'Instances that run go on with what they were started with, until they are started anew.'
      : 'What else can be said here: examples/README.md.',
    rows: 17,
  });
  runtime.set(agent?.runtime ?? templates['process'] ?? {});
  const problem = h('div', { role: 'alert' });

  const submit = oneAtATime(async () => {
    const spec = runtime.read();
    if (!spec) return;
    const words = capabilities.value.split(',').map((word) => word.trim());
    try {
      await save({ name: name.value, version: version.value, capabilities: words.filter(Boolean), runtime: spec });
      sayThere(`${name.value} ${version.value} is published.`);
      go(addressOf(['agents']));
    } catch (error) {
      fill(problem, h('p', { class: 'problem' }, wordsOf(error)), faults(error));
    }
  });
  const samples = Object.entries(templates).map(([kind, template]) =>
    h('button', { type: 'button', onclick: () => runtime.set(template) }, `Template for a ${kind}`),
  );
  return h(
    'form',
    { class: 'panel form', onsubmit: submit },
    h('div', { class: 'field' }, h('label', { for: 'name' }, 'Name'), name),
    h('div', { class: 'field' }, h('label', { for: 'version' }, 'Version'), version),
    h(
      'div',
      { class: 'field' },
      h('label', { for: 'capabilities' }, 'Capabilities'),
      capabilities,
      h('p', { id: 'capabilities-help', class: 'quiet' }, 'What it can do, with commas between.'),
    ),
    runtime.element,
    !agent && h('div', { class: 'buttons' }, samples),
    problem,
    h(
      'div',
      { class: 'buttons' },
      h('button', { type: 'submit', class: 'primary' }, action),
      h('a', { class: 'button', href: addressOf(['agents']) }, 'Cancel'),
    ),
  );
}
