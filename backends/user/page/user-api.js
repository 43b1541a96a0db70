/** @import { Api } from './api.js' */
/** @import { CatalogAgent, Explanation, Instance, Json, Me, PageSettings } from './types.ts' */

/** @typedef {ReturnType<typeof createUserApi>} UserApi */

/**
 * What user_backend offers; see its `/openapi.json`.
 *
 * @param {Api} api
 */
export function createUserApi({ request }) {
  /** @param {string} id */
  const at = (id) => `/v1/instances/${encodeURIComponent(id)}`;
  return {
    /** @returns {Promise<Me>} */
    me: () => request('GET', '/v1/me'),

    /** @returns {Promise<PageSettings>} */
    settings: () => request('GET', '/page-settings'),

    /**
     * @param {AbortSignal} signal
     * @returns {Promise<{ agents: CatalogAgent[] }>}
     */
    agents: (signal) => request('GET', '/v1/agents', { signal }),

    /**
     * Newest first.
     *
     * @param {{ status?: string, user_id?: string, limit?: number, cursor?: string }} query
     * @param {AbortSignal} signal
     * @returns {Promise<{ instances: Instance[], next_cursor: string | null }>}
     */
    instances: (query, signal) => request('GET', '/v1/instances', { query, signal }),

    /**
     * @param {string} id
     * @param {AbortSignal} [signal]
     * @returns {Promise<Instance>}
     */
    instance: (id, signal) => request('GET', at(id), { ...(signal && { signal }) }),

    /**
     * @param {{ agent_id: string, config: Json, desired_state: string }} body
     * @param {string} idempotencyKey the same for every attempt to create the same instance
     * @returns {Promise<Instance>}
     */
    create: (body, idempotencyKey) =>
      request('POST', '/v1/instances', { body, headers: { 'idempotency-key': idempotencyKey } }),

    /**
     * @param {string} id
     * @param {Json} config
     * @returns {Promise<Instance>}
     */
    changeConfig: (id, config) => request('PATCH', at(id), { body: { config } }),

    /**
     * @param {string} id
     * @param {'stop' | 'start' | 'retry'} action
     * @returns {Promise<Instance>}
     */
    ask: (id, action) => request('POST', `${at(id)}/${action}`),

    /**
     * @param {string} id
     * @returns {Promise<Instance>} as it was
     */
    remove: (id) => request('DELETE', at(id)),

    /**
     * Also of an instance that was deleted.
     *
     * @param {string} id
     * @param {{ last: number, signal: AbortSignal }} options how many of the latest lines
     * @returns {Promise<Explanation>}
     */
    timeline: (id, { last, signal }) => request('GET', `${at(id)}/timeline`, { query: { last }, signal }),
  };
}
