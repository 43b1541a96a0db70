import { byId, fill } from './dom.js';
import { markOf } from './marks.js';
/** @import { LiveState } from './live.js' */

/** @type {Record<LiveState, string>} */
const words = {
  connecting: 'Connecting …',
  live: 'Live',
  delayed: 'Delayed: changes may show late',
  reconnecting: 'Reconnecting: what you see may be old',
  offline: 'Offline: what you see may be old',
};

/** @param {LiveState} state */
export function showLiveState(state) {
  const region = byId('live');
  // Said once, not with each attempt.
  if (region.dataset['state'] === state && region.textContent !== '') return;
  region.dataset['state'] = state;
  fill(region, markOf(state), words[state]);
}
