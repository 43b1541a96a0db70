import { h } from './dom.js';
import { confirmWith } from './dialog.js';
import { shortId } from './format.js';
import { say, warn } from './notice.js';
/** @import { Context } from './app.js' */
/** @import { Instance } from './types.ts' */

/** @typedef {Pick<Context, 'api' | 'known'>} ActionContext */

/** @param {Instance} instance */
export function agentLabel({ agent_name: name, agent_version: version }) {
  return name === null ? 'an agent not published yet' : `${name} ${version ?? ''}`.trim();
}

/**
 * Buttons for what can be done now.
 *
 * @param {ActionContext} context
 * @param {Instance} instance
 */
export function actionButtons(context, instance) {
  const { id, desired_state: wanted } = instance;
  const about = h('span', { class: 'unseen' }, ` ${agentLabel(instance)} ${shortId(id)}`);
  const button = (
    /** @type {'stop' | 'start' | 'retry'} */ action,
    /** @type {string} */ text,
    /** @type {string} */ key,
  ) => {
    const onclick = oneAtATime(() => ask(context, id, action));
    return h('button', { type: 'button', onclick, 'data-key': `${key} ${id}` }, text, about.cloneNode(true));
  };
  return [
    canBeRetried(instance) && button('retry', 'Try again', 'retry'),
    // One key for both: the focus stays when the one takes the place of the other.
    wanted === 'running' ? button('stop', 'Stop', 'power') : button('start', 'Start', 'power'),
  ].filter((each) => each !== false);
}

/**
 * @param {ActionContext} context
 * @param {Instance} instance
 */
export function deleteButton(context, instance) {
  const onclick = () => void remove(context, instance);
  return h('button', { type: 'button', class: 'danger', onclick, 'data-key': 'delete' }, 'Delete …');
}

/**
 * A listener of a button or a form that does nothing while what it began is under way. The button is not disabled, which
 * would take the focus away.
 *
 * @param {() => Promise<unknown>} work
 */
export function oneAtATime(work) {
  let isUnderWay = false;
  /** @param {HTMLElement} button */
  const run = async (button) => {
    isUnderWay = true;
    button.ariaDisabled = 'true';
    await work();
    isUnderWay = false;
    button.ariaDisabled = null;
  };
  return (/** @type {Event} */ event) => {
    event.preventDefault();
    const button = event instanceof SubmitEvent ? event.submitter : event.currentTarget;
    if (!isUnderWay && button instanceof HTMLElement) void run(button);
  };
}

const asked = { stop: 'asked to stop', start: 'asked to start', retry: 'asked to try again' };

/**
 * @param {ActionContext} context
 * @param {string} id
 * @param {'stop' | 'start' | 'retry'} action
 */
async function ask({ api, known }, id, action) {
  try {
    known.learn(await api.ask(id, action));
    say(`Instance ${shortId(id)} is ${asked[action]}.`);
  } catch (error) {
    warn(error);
  }
}

/**
 * @param {ActionContext} context
 * @param {Instance} instance
 */
async function remove({ api, known }, { id, ...instance }) {
  const confirmed = await confirmWith({
    title: `Delete instance ${shortId(id)}?`,
    content: [
      h('p', {}, `Its agent, ${agentLabel({ id, ...instance })}, is stopped, and all that was made for it is removed.`),
      h('p', {}, 'This cannot be undone. What happened to it can still be read at this address.'),
    ],
    action: 'Delete',
    isDangerous: true,
  });
  if (!confirmed) return;
  try {
    known.bury(await api.remove(id));
    say(`Instance ${shortId(id)} is deleted; its agent is being cleaned up.`);
  } catch (error) {
    warn(error);
  }
}

/**
 * Failed, in the pause before a restart, or ended by the retirement of its agent.
 *
 * @param {Instance} instance
 */
function canBeRetried({ status, desired_state: wanted, reason }) {
  if (status === 'failed') return true;
  return wanted === 'running' && (reason?.code === 'restarting' || reason?.code === 'agent_retired');
}
