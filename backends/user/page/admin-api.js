/** @import { Api } from './api.js' */
/** @import { Agent, AuditEntry, AuditVerification, DeadLetter, DeadLetterContent, Json } from './types.ts' */

/** @typedef {ReturnType<typeof createAdminApi>} AdminApi */
/** @typedef {{ name: string, version: string, capabilities: string[], runtime: Json }} AgentFields */
/** @typedef {{ letters: DeadLetter[], not_looked_at: string[] }} DeadLetters */

/**
 * What admin_backend offers; see its `/openapi.json`.
 *
 * @param {Api} api
 */
export function createAdminApi({ request }) {
  /** @param {string} id */
  const agentAt = (id) => `/v1/agents/${encodeURIComponent(id)}`;
  /** @param {{ queue: string, id: string }} letter */
  const letterAt = ({ queue, id }) => `/v1/dead-letters/${encodeURIComponent(queue)}/${encodeURIComponent(id)}`;
  return {
    /**
     * Also retired ones.
     *
     * @param {AbortSignal} signal
     * @returns {Promise<{ agents: Agent[] }>}
     */
    agents: (signal) => request('GET', '/v1/agents', { signal }),

    /**
     * @param {string} id
     * @param {AbortSignal} signal
     * @returns {Promise<Agent>}
     */
    agent: (id, signal) => request('GET', agentAt(id), { signal }),

    /**
     * @param {AgentFields} body
     * @returns {Promise<Agent>}
     */
    publishAgent: (body) => request('POST', '/v1/agents', { body }),

    /**
     * @param {string} id
     * @param {AgentFields} body
     * @returns {Promise<Agent>}
     */
    change: (id, body) => request('PATCH', agentAt(id), { body }),

    /**
     * @param {string} id
     * @param {{ drain: boolean }} body whether its instances are stopped, too
     * @returns {Promise<Agent>}
     */
    retire: (id, body) => request('POST', `${agentAt(id)}/retire`, { body }),

    /**
     * @param {string} id
     * @returns {Promise<Agent>}
     */
    takeBack: (id) => request('POST', `${agentAt(id)}/publish`),

    /**
     * Newest first.
     *
     * @param {Record<string, string>} query
     * @param {AbortSignal} signal
     * @returns {Promise<{ entries: AuditEntry[], next_cursor: string | null }>}
     */
    audit: (query, signal) => request('GET', '/v1/audit', { query, signal }),

    /**
     * @param {AbortSignal} signal
     * @returns {Promise<AuditVerification>}
     */
    verification: (signal) => request('GET', '/v1/audit/verification', { signal }),

    /**
     * @param {{ queue?: string, instance_id?: string }} query
     * @param {AbortSignal} signal
     * @returns {Promise<DeadLetters>}
     */
    deadLetters: (query, signal) => request('GET', '/v1/dead-letters', { query, signal }),

    /**
     * @param {{ queue: string, id: string }} letter
     * @param {AbortSignal} signal
     * @returns {Promise<DeadLetterContent>}
     */
    deadLetter: (letter, signal) => request('GET', letterAt(letter), { signal }),

    /**
     * @param {{ queue: string, id: string }} letter
     * @returns {Promise<{ sent: true }>}
     */
    sendAgain: (letter) => request('POST', `${letterAt(letter)}/send`),
  };
}
