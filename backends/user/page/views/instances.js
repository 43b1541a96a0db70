import { fill, fillByKey, h } from '../dom.js';
import { createRefresher, loadInto } from '../loading.js';
import { addressOf } from '../router.js';
import { emptyList, instanceFilters } from './instance-filters.js';
import { instanceRow } from './instance-row.js';
/** @import { Context } from '../app.js' */
/** @import { Instance } from '../types.ts' */
/** @import { View } from '../views.js' */

const pageSize = 50;
const maxPageSize = 200;

/**
 * Everybody's own instances, and for admins all; kept as they are now.
 *
 * @param {Context} context
 * @returns {View}
 */
export function instancesView(context) {
  const { api, known, me, route, signal, onGap } = context;
  const status = route.query.get('status') ?? '';
  const mine = !me.is_admin || route.query.get('owner') === 'mine';
  const query = { status, ...(mine && { user_id: me.user_id }) };

  const place = h('div', {});
  const list = h('ul', { class: 'rows', 'aria-label': 'Instances' });
  /** The last of what was loaded: what is older is on a later page. @type {Instance | undefined} */
  let last;
  /** @type {string | null} */
  let cursor = null;

  const isShown = (/** @type {Instance} */ instance) =>
    (status === '' || instance.status === status) &&
    (!mine || instance.user_id === me.user_id) &&
    (cursor === null || last === undefined || newestFirst(instance, last) <= 0);

  const shown = () => known.all().filter(isShown).toSorted(newestFirst);

  const show = () => {
    const instances = shown();
    fillByKey(
      list,
      instances,
      ({ id }) => id,
      (instance) => instanceRow(context, instance),
    );
    const content = instances.length === 0 ? emptyList(route.query) : list;
    const more = h('button', { type: 'button', onclick: () => void showMore(), 'data-key': 'more' }, 'Show more');
    if (list.isConnected && content === list && cursor === null && place.childElementCount === 1) return;
    fill(place, content, cursor !== null && more);
  };

  /** @param {Awaited<ReturnType<typeof api.instances>>} page */
  const take = (page) => {
    last = page.instances.at(-1);
    cursor = page.next_cursor;
    page.instances.forEach(known.learn);
    show();
  };

  const reload = () =>
    loadInto({
      into: place,
      load: async () => {
        const before = shown();
        const limit = Math.min(maxPageSize, Math.max(pageSize, before.length));
        const page = await api.instances({ ...query, limit }, signal);
        return { before, page };
      },
      show: ({ before, page }) => {
        take(page);
        const there = new Set(page.instances.map(({ id }) => id));
        // What was not heard of since, and is not in the answer, was deleted or no longer is of this list.
        for (const instance of before) {
          if (isShown(instance) && known.get(instance.id) === instance && !there.has(instance.id))
            known.forget(instance.id);
        }
      },
      signal,
    });

  const showMore = () =>
    loadInto({
      into: place,
      load: () => api.instances({ ...query, limit: pageSize, ...(cursor !== null && { cursor }) }, signal),
      show: take,
      signal,
    });

  const refresh = createRefresher(reload, signal);
  known.onChange((change) => (change.known ? show() : refresh()), signal);
  onGap(() => refresh(0));
  void reload();

  const create = h('a', { class: 'button primary', href: addressOf(['new']) }, 'Create an instance');
  return {
    title: 'Instances',
    content: [
      h('div', { class: 'heading' }, h('h1', {}, 'Instances'), create),
      instanceFilters(route.query, me.is_admin),
      place,
    ],
  };
}

/**
 * @param {Instance} one
 * @param {Instance} other
 */
function newestFirst(one, other) {
  return compare(other.created_at, one.created_at) || compare(other.id, one.id);
}

/**
 * @param {string} one
 * @param {string} other
 */
function compare(one, other) {
  return one < other ? -1 : one > other ? 1 : 0;
}
