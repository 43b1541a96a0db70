import { createAdminApi } from './admin-api.js';
import { createApi } from './api.js';
import { byId, fill, focusHeading, h, visible } from './dom.js';
import { keepAgesFresh, shortId } from './format.js';
import { createKnownInstances } from './known-instances.js';
import { keepLive } from './live.js';
import { showLiveState } from './live-state.js';
import { renewNotices } from './notice.js';
import { addressOf, readRoute } from './router.js';
import { findView } from './views.js';
/** @import { AdminApi } from './admin-api.js' */
/** @import { KnownInstances } from './known-instances.js' */
/** @import { Route } from './router.js' */
/** @import { Me, PageSettings } from './types.ts' */
/** @import { UserApi } from './user-api.js' */

/**
 * What every view is given.
 *
 * @typedef {object} Context
 * @property {Me} me
 * @property {PageSettings} settings
 * @property {UserApi} api
 * @property {AdminApi | undefined} admin for admins alone
 * @property {KnownInstances} known
 * @property {Route} route
 * @property {(listener: () => void) => void} onGap what was shown may be old: to be asked for again
 * @property {AbortSignal} signal ends the view
 */

/**
 * The page of somebody who is signed in, until the signal.
 *
 * @param {object} options
 * @param {Me} options.me
 * @param {PageSettings} options.settings
 * @param {UserApi} options.api
 * @param {string} options.token
 * @param {AbortSignal} options.signal
 * @param {(reason: string) => void} options.end
 * @param {(reason: string) => void} options.onUnauthorized
 */
export function openApp({ me, settings, api, token, signal, end, onUnauthorized }) {
  const base = me.is_admin ? settings.admin_backend_url : null;
  const admin = base === null ? undefined : createAdminApi(createApi({ base, token, onUnauthorized }));
  const known = createKnownInstances();
  const gaps = new EventTarget();
  /** @type {AbortController | undefined} */
  let view;
  let shownPath = '';

  const show = () => {
    const route = readRoute();
    const path = route.path.join('/');
    const key = document.activeElement instanceof HTMLElement ? document.activeElement.dataset['key'] : undefined;
    const isNew = path !== shownPath;
    view?.abort();
    view = new AbortController();
    const own = AbortSignal.any([signal, view.signal]);
    const onGap = (/** @type {() => void} */ listener) => gaps.addEventListener('gap', listener, { signal: own });
    const { title, content } = findView({ me, settings, api, admin, known, route, onGap, signal: own });
    renewNotices();
    document.title = `${visible(title)} · Instance engine`;
    fill(byId('view'), content);
    fill(byId('views'), viewLinks(admin !== undefined, route.path[0]));
    if (shownPath !== '') focusView(isNew ? undefined : key);
    if (isNew) scrollTo(0, 0);
    shownPath = path;
  };

  byId('session').hidden = false;
  fill(byId('who'), me.is_admin ? 'Admin ' : 'User ', h('span', { title: me.user_id }, shortId(me.user_id)));
  window.addEventListener('hashchange', show, { signal });
  keepAgesFresh(signal);
  keepLive({
    token,
    all: me.is_admin,
    onEvent: known.hear,
    onGap: () => gaps.dispatchEvent(new Event('gap')),
    onState: showLiveState,
    checkToken: api.me,
    signal,
  });
  // Far ones would overflow the timer, and are not waited for.
  const remainingMs = Math.min(Date.parse(me.expires_at) - Date.now(), 2 ** 31 - 1);
  const expiry = setTimeout(() => end('Your token has expired. Sign in again with a new one.'), remainingMs);
  signal.addEventListener('abort', () => clearTimeout(expiry));
  show();
}

/**
 * @param {boolean} isAdmin
 * @param {string} [present]
 */
function viewLinks(isAdmin, present = 'instances') {
  const links = [['instances', 'Instances']];
  if (isAdmin) links.push(['agents', 'Agents'], ['audit', 'Audit trail'], ['dead-letters', 'Dead letters']);
  const items = links.map(([path = '', name]) => {
    const attributes = { href: addressOf([path]), 'aria-current': present === path && 'page', 'data-key': path };
    return h('li', {}, h('a', attributes, name));
  });
  return h('ul', {}, items);
}

/**
 * To the heading of a new view; to the same control where only its filters changed.
 *
 * @param {string | undefined} key
 */
function focusView(key) {
  const control = key && byId('view').querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (control instanceof HTMLElement) control.focus({ preventScroll: true });
  else focusHeading();
}
