import { h } from './dom.js';

const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
});
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', year: 'numeric' });
const moment = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/**
 * The first part of an id, which is enough to tell a few apart; the whole one on hover.
 *
 * @param {string} id
 */
export function shortId(id) {
  return id.slice(0, 8);
}

/** @param {string} id */
export function idElement(id) {
  return h('code', { class: 'id', title: id }, shortId(id));
}

/** @param {string} iso */
export function dayOf(iso) {
  return day.format(new Date(iso));
}

/**
 * The time of day here, to the millisecond.
 *
 * @param {string} iso
 */
export function clockElement(iso) {
  return h('time', { datetime: iso, title: `${iso} (UTC)` }, clock.format(new Date(iso)));
}

/**
 * Date and time here.
 *
 * @param {string} iso
 */
export function timeElement(iso) {
  return h('time', { datetime: iso, title: `${iso} (UTC)` }, moment.format(new Date(iso)));
}

/**
 * How long ago, which goes on counting.
 *
 * @param {string} iso
 */
export function agoElement(iso) {
  return h(
    'time',
    { datetime: iso, title: `${moment.format(new Date(iso))} here, ${iso} in UTC`, 'data-ago': true },
    ago(iso),
  );
}

/** Lets every `agoElement` say the present. @param {AbortSignal} signal */
export function keepAgesFresh(signal) {
  const timer = setInterval(() => {
    for (const element of /** @type {NodeListOf<HTMLTimeElement>} */ (document.querySelectorAll('time[data-ago]'))) {
      element.textContent = ago(element.dateTime);
    }
  }, 5_000);
  signal.addEventListener('abort', () => clearInterval(timer));
}

/** @param {string} iso */
function ago(iso) {
  const ms = Date.now() - Date.parse(iso);
  if (ms < 60_000) return ms < 2_000 ? 'just now' : `${Math.floor(ms / 1_000)} s ago`;
  return `${duration(ms)} ago`;
}

/**
 * E.g. `12 ms`, `3.4 s`, `5 min`, `7 h`, `3 d`.
 *
 * @param {number} ms
 */
export function duration(ms) {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 60_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 48 * 3_600_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}

/**
 * A text of the server in which each id is a short one.
 *
 * @param {string} text
 */
export function withShortIds(text) {
  return text.split(id).map((part, index) => (index % 2 === 0 ? part : idElement(part)));
}

/**
 * The same, in which each time in UTC also is one of here.
 *
 * @param {string} text
 */
export function friendly(text) {
  return text.split(utc).flatMap((part, index) => (index % 2 === 0 ? withShortIds(part) : timeElement(part)));
}

const id = /([\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12})/;
const utc = /(\d{4}-\d\d-\d\dT[\d:.]+Z)/;
