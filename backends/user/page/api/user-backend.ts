import type { Send } from './request.ts';
import type {
  CatalogAgent,
  Explanation,
  Instance,
  InstanceChange,
  InstancePage,
  Me,
  NewInstance,
  PageSettings,
} from './types.ts';

export type UserBackend = ReturnType<typeof createUserBackend>;

/** The routes of user_backend that the page calls; `/openapi.json` describes them. */
export function createUserBackend(send: Send) {
  const at = (id: string): string => `/v1/instances/${encodeURIComponent(id)}`;
  return {
    me: () => send<Me>('GET', '/v1/me'),
    settings: () => send<PageSettings>('GET', '/page-settings'),
    agents: (signal: AbortSignal) => send<{ agents: CatalogAgent[] }>('GET', '/v1/agents', { signal }),
    /** Newest first. */
    instances: (query: Record<string, string | number>, signal: AbortSignal) =>
      send<InstancePage>('GET', '/v1/instances', { query, signal }),
    instance: (id: string, signal?: AbortSignal) => send<Instance>('GET', at(id), { signal }),
    /** @param idempotencyKey the same for every attempt to create the same instance */
    create: (body: NewInstance, idempotencyKey: string) =>
      send<Instance>('POST', '/v1/instances', { body, headers: { 'idempotency-key': idempotencyKey } }),
    change: (id: string, body: InstanceChange) => send<Instance>('PATCH', at(id), { body }),
    ask: (id: string, action: 'stop' | 'start' | 'retry') => send<Instance>('POST', `${at(id)}/${action}`),
    /** Answers the instance as it was. */
    remove: (id: string) => send<Instance>('DELETE', at(id)),
    /** Also answers for a deleted instance. `last` limits the lines to the latest ones. */
    timeline: (id: string, { last, signal }: { last: number; signal: AbortSignal }) =>
      send<Explanation>('GET', `${at(id)}/timeline`, { query: { last }, signal }),
  };
}
