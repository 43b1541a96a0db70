import { fill, h } from './dom.js';
import { jsonField } from './json-field.js';
/** @import { Json } from './types.ts' */

/**
 * What a config of the engine's own example can say. Of other agents, only whoever wrote them knows.
 *
 * @type {Record<string, { config: Json, effect: string }[]>}
 */
const examples = {
  heartbeat: [
    { config: { interval_ms: 1000 }, effect: 'prints a line each second' },
    { config: { fail_after_ms: 5000 }, effect: 'fails after five seconds' },
  ],
};

/**
 * A box for the config of an instance.
 *
 * @param {string} help
 */
export function configField(help) {
  const field = jsonField({ id: 'config', label: 'Config, as JSON', help, placeholder: '{"name": "value"}' });
  const place = h('div', {});
  field.element.append(place);
  return {
    ...field,
    /**
     * Offers what can be said to an agent, where that is known.
     *
     * @param {string} agentName
     */
    offerExamples: (agentName) => fill(place, examplesFor(agentName, field.set)),
  };
}

/**
 * @param {string} agentName
 * @param {(config: Json) => void} take
 */
function examplesFor(agentName, take) {
  const known = Object.hasOwn(examples, agentName) ? examples[agentName] : undefined;
  if (!known) return undefined;
  const items = known.map(({ config, effect }) => {
    const text = JSON.stringify(config);
    return h('li', {}, h('button', { type: 'button', class: 'code', onclick: () => take(config) }, text), ` ${effect}`);
  });
  return h('div', { class: 'examples' }, h('p', {}, `For the example agent ${agentName}:`), h('ul', {}, items));
}
