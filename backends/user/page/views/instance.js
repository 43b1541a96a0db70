import { Problem } from '../api.js';
import { fill, h } from '../dom.js';
import { createRefresher } from '../loading.js';
import { wordsOf } from '../notice.js';
import { addressOf } from '../router.js';
import { shortId } from '../format.js';
import { foldable } from '../foldable.js';
import { configPanel } from './config-panel.js';
import { deadLettersOf } from './dead-letters-of.js';
import { instanceFacts, instanceHead } from './instance-facts.js';
import { timelinePanel } from './timeline.js';
import { verdictPanel } from './verdict.js';
/** @import { Context } from '../app.js' */
/** @import { View } from '../views.js' */

/** The workflow goes on for a moment after the event that tells of its work. */
const settlingMs = 2_500;
/** What is waited for may come about without an event. */
const waitingMs = 5_000;
const fewLines = 200;
const manyLines = 1_000;

/**
 * The life of one instance, also of a deleted one.
 *
 * @param {Context} context
 * @param {string} id
 * @returns {View}
 */
export function instanceView(context, id) {
  const { api, known, signal, onGap } = context;
  const head = h('div', { class: 'heading' }, h('h1', {}, `Instance ${shortId(id)}`));
  const body = h('div', {}, h('p', { class: 'quiet' }, 'Loading …'));
  const facts = foldable('Facts');
  const verdict = verdictPanel();
  const config = configPanel(context, id);
  const letters = deadLettersOf(context, id);
  let last = fewLines;
  const timeline = timelinePanel({
    onEarlier: () => {
      last = manyLines;
      refresh(0);
    },
  });
  const aside = h('div', { class: 'aside' }, facts.element, config.element, letters?.element);
  let isLearning = false;
  let changedAt = 0;

  const showInstance = () => {
    const instance = known.get(id);
    fill(head, instanceHead(context, id, instance));
    fill(facts.content, instanceFacts(context, id, instance));
    config.show(instance);
  };

  const reload = async () => {
    const wasDeleted = known.wasDeleted(id);
    const [row, told] = await Promise.allSettled([
      wasDeleted ? undefined : api.instance(id, signal),
      api.timeline(id, { last, signal }),
    ]);
    if (signal.aborted) return;
    isLearning = true;
    if (row.status === 'rejected' && isMissing(row.reason)) known.forget(id);
    else if (row.status === 'fulfilled' && row.value) known.learn(row.value);
    isLearning = false;
    if (wasDeleted && told.status === 'fulfilled' && told.value.row !== null) {
      // Its id was given again.
      const again = await api.instance(id, signal).catch(() => undefined);
      if (again) known.learn(again);
    }

    if (told.status === 'fulfilled') {
      verdict.show(told.value.verdict);
      timeline.show(told.value);
    } else if (row.status === 'rejected') {
      if (!timeline.element.isConnected || isMissing(told.reason))
        fill(
          body,
          refusal(told.reason, () => refresh(0)),
        );
      return;
    } else timeline.showProblem(wordsOf(told.reason));
    showInstance();
    if (!timeline.element.isConnected) {
      fill(body, verdict.element, h('div', { class: 'columns' }, timeline.element, aside));
      void letters?.load();
    }

    if (told.status === 'fulfilled' && told.value.verdict.state === 'waiting') refresh(waitingMs);
    else if (Date.now() - changedAt < settlingMs) refresh(settlingMs);
  };

  const refresh = createRefresher(reload, signal);
  known.onChange((change) => {
    if (change.id !== id || isLearning) return;
    changedAt = Date.now();
    if (change.known && timeline.element.isConnected) showInstance();
    refresh();
  }, signal);
  onGap(() => refresh(0));
  refresh(0);
  return { title: `Instance ${shortId(id)}`, content: [head, body] };
}

/** @param {unknown} error */
function isMissing(error) {
  return error instanceof Problem && error.status === 404;
}

/**
 * @param {unknown} error
 * @param {() => void} again
 */
function refusal(error, again) {
  const words = isMissing(error) ? 'There is no instance of this id, or it belongs to somebody else.' : wordsOf(error);
  return h(
    'div',
    { class: 'panel empty' },
    h('p', { role: 'alert' }, words),
    h(
      'div',
      { class: 'buttons' },
      h('a', { class: 'button', href: addressOf(['instances']) }, 'See your instances'),
      !isMissing(error) && h('button', { type: 'button', onclick: again }, 'Try again'),
    ),
  );
}
