import { byId, fill, h } from './dom.js';
import { Problem } from './api.js';

/**
 * Says what was done: on the page, and to screen readers once they are done with what they read.
 *
 * @param {string} text
 */
export function say(text) {
  fill(byId('alert'));
  fill(byId('notice'), h('p', {}, text));
}

/**
 * Says what went wrong and what to do: on the page, and to screen readers at once.
 *
 * @param {unknown} error
 */
export function warn(error) {
  warnOf(wordsOf(error));
}

/** @param {string} text what went wrong and what to do */
export function warnOf(text) {
  fill(byId('notice'));
  fill(byId('alert'), h('p', {}, text));
}

/**
 * Says it once the next view is there.
 *
 * @param {string} text
 */
export function sayThere(text) {
  forNextView = text;
}

/** For a new view, which begins with what was kept for it alone. */
export function renewNotices() {
  fill(byId('alert'));
  fill(byId('notice'), forNextView !== '' && h('p', {}, forNextView));
  forNextView = '';
}

let forNextView = '';

/** @param {unknown} error */
export function wordsOf(error) {
  if (error instanceof Problem) return error.message;
  return `The page made a mistake: ${error instanceof Error ? error.message : String(error)}. Load it again.`;
}
