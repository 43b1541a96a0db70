import type { Send } from './request.ts';
import type * as types from './types.ts';

export type UserBackend = ReturnType<typeof createUserBackend>;

/** The routes of user_backend that the page calls; `/openapi.json` describes them. */
export function createUserBackend(send: Send) {
  const at = (id: string): string => `/v1/instances/${encodeURIComponent(id)}`;
  return {
    me: () => send<types.Me>('GET', '/v1/me'),
    settings: () => send<types.PageSettings>('GET', '/page-settings'),
    agents: (signal: AbortSignal) => send<{ agents: types.CatalogAgent[] }>('GET', '/v1/agents', { signal }),
    /** Newest first. */
    instances: (query: Record<string, string | number>, signal: AbortSignal) =>
      send<types.InstancePage>('GET', '/v1/instances', { query, signal }),
    instance: (id: string, signal?: AbortSignal) => send<types.Instance>('GET', at(id), { signal }),
    /** @param idempotencyKey the same for every attempt to create the same instance */
    create: (body: types.NewInstance, idempotencyKey: string) =>
      send<types.Instance>('POST', '/v1/instances', { body, headers: { 'idempotency-key': idempotencyKey } }),
    change: (id: string, body: types.InstanceChange) => send<types.Instance>('PATCH', at(id), { body }),
    ask: (id: string, action: 'stop' | 'start' | 'retry') => send<types.Instance>('POST', `${at(id)}/${action}`),
    /** Answers the instance as it was. */
    remove: (id: string) => send<types.Instance>('DELETE', at(id)),
    /** Also answers for a deleted instance. `last` limits the lines to the latest ones. */
    timeline: (id: string, { last, signal }: { last: number; signal: AbortSignal }) =>
      send<types.Explanation>('GET', `${at(id)}/timeline`, { query: { last }, signal }),
  };
}
