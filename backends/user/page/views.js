import { h } from './dom.js';
import { agentView } from './views/agent.js';
import { agentsView } from './views/agents.js';
import { auditView } from './views/audit.js';
import { createInstanceView } from './views/create-instance.js';
import { deadLetterView } from './views/dead-letter.js';
import { deadLettersView } from './views/dead-letters.js';
import { instanceView } from './views/instance.js';
import { instancesView } from './views/instances.js';
import { addressOf } from './router.js';
/** @import { AdminApi } from './admin-api.js' */
/** @import { Context } from './app.js' */

/** @typedef {{ title: string, content: Node[] }} View */
/** @typedef {Context & { admin: AdminApi }} AdminContext */

/**
 * The view that an address names.
 *
 * @param {Context} context
 * @returns {View}
 */
export function findView(context) {
  const { path } = context.route;
  const [room = 'instances', id, part] = path;
  if (room === 'new') return createInstanceView(context);
  if (room === 'instances') return id === undefined ? instancesView(context) : instanceView(context, id);
  return findAdminView(context, room, id, part) ?? notFoundView();
}

/**
 * @param {Context} context
 * @param {string} room
 * @param {string | undefined} id
 * @param {string | undefined} part
 */
function findAdminView(context, room, id, part) {
  if (!context.admin) return undefined;
  const admin = /** @type {AdminContext} */ (context);
  if (room === 'agents') return id === undefined ? agentsView(admin) : agentView(admin, id === 'new' ? undefined : id);
  if (room === 'audit') return auditView(admin);
  if (room !== 'dead-letters') return undefined;
  return id === undefined || part === undefined
    ? deadLettersView(admin)
    : deadLetterView(admin, { queue: id, id: part });
}

/** @returns {View} */
function notFoundView() {
  return {
    title: 'Not found',
    content: [
      h('h1', {}, 'There is no such view'),
      h('p', {}, h('a', { href: addressOf(['instances']) }, 'See your instances')),
    ],
  };
}
