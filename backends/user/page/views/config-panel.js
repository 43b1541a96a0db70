import { configField } from '../config-field.js';
import { fill, h } from '../dom.js';
import { foldable } from '../foldable.js';
import { oneAtATime } from '../instance-actions.js';
import { say, wordsOf } from '../notice.js';
import { faults } from './faults.js';
/** @import { Context } from '../app.js' */
/** @import { Instance } from '../types.ts' */

/**
 * The config of an instance, to be changed. What somebody has begun to write stays, whatever arrives meanwhile.
 *
 * @param {Pick<Context, 'api' | 'known'>} context
 * @param {string} id
 */
export function configPanel({ api, known }, id) {
  const field = configField('A running agent is started anew with what you save.');
  const problem = h('div', { role: 'alert' });
  let shown = '';
  let agentName = '';

  const save = oneAtATime(async () => {
    const config = field.read();
    if (!config) return;
    fill(problem);
    try {
      const instance = await api.changeConfig(id, config);
      shown = field.box.value;
      known.learn(instance);
      say('The config is saved.');
    } catch (error) {
      fill(problem, h('p', { class: 'problem' }, wordsOf(error)), faults(error));
    }
  });

  const { element, content } = foldable('Config');
  fill(
    content,
    h(
      'form',
      { class: 'form', onsubmit: save, novalidate: true },
      field.element,
      problem,
      h('div', {}, h('button', { type: 'submit' }, 'Save config')),
    ),
  );
  return {
    element,
    /** @param {Instance | undefined} instance undefined when it was deleted */
    show(instance) {
      element.hidden = instance === undefined;
      if (!instance?.config) return;
      if (agentName !== instance.agent_name) {
        agentName = instance.agent_name ?? '';
        field.offerExamples(agentName);
      }
      if (field.box.value !== shown) return;
      field.set(instance.config);
      shown = field.box.value;
    },
  };
}
