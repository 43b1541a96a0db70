import type { Send } from './request.ts';
import type * as types from './types.ts';

export type AdminBackend = ReturnType<typeof createAdminBackend>;

/** A dead letter is addressed by its queue and its id there. */
export interface LetterAddress {
  queue: string;
  id: string;
}

/** The routes of admin_backend that the page calls; `/openapi.json` describes them. */
export function createAdminBackend(send: Send) {
  const agentAt = (id: string): string => `/v1/agents/${encodeURIComponent(id)}`;
  const hostAt = (id: string): string => `/v1/hosts/${encodeURIComponent(id)}`;
  const letterAt = ({ queue, id }: LetterAddress): string =>
    `/v1/dead-letters/${encodeURIComponent(queue)}/${encodeURIComponent(id)}`;
  return {
    /** Includes retired agents. */
    agents: (signal: AbortSignal) => send<{ agents: types.ListedAgent[] }>('GET', '/v1/agents', { signal }),
    agent: (id: string, signal: AbortSignal) => send<types.Agent>('GET', agentAt(id), { signal }),
    publishAgent: (body: types.AgentFields) => send<types.Agent>('POST', '/v1/agents', { body }),
    changeAgent: (id: string, body: types.AgentFields) => send<types.Agent>('PATCH', agentAt(id), { body }),
    /** `drain` also stops the instances of the agent. */
    retire: (id: string, body: { drain: boolean }) => send<types.Agent>('POST', `${agentAt(id)}/retire`, { body }),
    takeBack: (id: string) => send<types.Agent>('POST', `${agentAt(id)}/publish`),
    /** By name, also lost ones. */
    hosts: (signal: AbortSignal) => send<types.HostList>('GET', '/v1/hosts', { signal }),
    drain: (id: string, body: { at_once: number }) => send<types.Host>('POST', `${hostAt(id)}/drain`, { body }),
    undrain: (id: string) => send<types.Host>('POST', `${hostAt(id)}/undrain`),
    forgetHost: (id: string) => send<types.Host>('DELETE', hostAt(id)),
    /** Newest first. */
    audit: (query: Record<string, string>, signal: AbortSignal) =>
      send<types.AuditPage>('GET', '/v1/audit', { query, signal }),
    verification: (signal: AbortSignal) => send<types.AuditVerification>('GET', '/v1/audit/verification', { signal }),
    deadLetters: (query: Record<string, string>, signal: AbortSignal) =>
      send<types.DeadLetters>('GET', '/v1/dead-letters', { query, signal }),
    deadLetter: (letter: LetterAddress, signal: AbortSignal) =>
      send<types.DeadLetterContent>('GET', letterAt(letter), { signal }),
    sendAgain: (letter: LetterAddress) => send<unknown>('POST', `${letterAt(letter)}/send`),
  };
}
