import { drawing, h } from './dom.js';
/** @import { Instance, TimelineSource } from './types.ts' */

/** A shape of its own for each state, so that none is told by its colour alone. */
const shapes = {
  circle: 'M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z',
  ring: 'M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zm0 2a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7z',
  triangle: 'M8 2 15 14H1z',
  square: 'M3.5 3.5h9v9h-9z',
  cross: 'm4.4 3 3.6 3.6L11.6 3 13 4.4 9.4 8l3.6 3.6-1.4 1.4L8 9.4 4.4 13 3 11.6 6.6 8 3 4.4z',
  diamond: 'm8 1.5 6.5 6.5L8 14.5 1.5 8z',
};

/** @type {Record<string, string>} */
const shapeOf = {
  running: shapes.circle,
  live: shapes.circle,
  pending: shapes.ring,
  waiting: shapes.ring,
  connecting: shapes.ring,
  reconnecting: shapes.ring,
  delayed: shapes.ring,
  failed: shapes.triangle,
  stuck: shapes.triangle,
  offline: shapes.triangle,
  'dead letter': shapes.triangle,
  stopped: shapes.square,
  deleted: shapes.cross,
  unknown: shapes.diamond,
  row: shapes.circle,
  workflow: shapes.diamond,
  runtime: shapes.square,
};

/** @param {string} name of a state or a source */
export function markOf(name) {
  return drawing(`is-${name.replaceAll(' ', '-')}`, shapeOf[name] ?? shapes.diamond);
}

/**
 * A state as a shape, a colour and a word.
 *
 * @param {string} state
 * @param {string} [word]
 */
export function badge(state, word = state) {
  return h('span', { class: `badge is-${state}` }, markOf(state), word);
}

/** @param {TimelineSource} source */
export function sourceLabel(source) {
  return h('span', { class: `source is-${source.replaceAll(' ', '-')}` }, source);
}

/**
 * What is on the way to an instance and has not come about yet; '' when nothing is.
 *
 * @param {Instance} instance
 */
export function underWay({ status, desired_state: wanted, generation, observed_generation: observed, reason }) {
  if (reason?.code === 'restarting') return 'restarts after a pause';
  if (reason?.code === 'agent_unknown') return 'its agent is not published yet';
  if (generation === observed) return '';
  if (wanted === 'stopped') return status === 'stopped' ? '' : 'stopping …';
  return status === 'running' ? 'starting anew …' : 'starting …';
}
