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
  const rolloutAt = (id: string): string => `/v1/rollouts/${encodeURIComponent(id)}`;
  const deploymentAt = (id: string): string => `/v1/deployments/${encodeURIComponent(id)}`;
  const hostAt = (id: string): string => `/v1/hosts/${encodeURIComponent(id)}`;
  const letterAt = ({ queue, id }: LetterAddress): string =>
    `/v1/dead-letters/${encodeURIComponent(queue)}/${encodeURIComponent(id)}`;
  return {
    /** Includes retired agents. */
    agents: (signal: AbortSignal) => send<{ agents: types.ListedAgent[] }>('GET', '/v1/agents', { signal }),
    agent: (id: string, signal: AbortSignal) => send<types.Agent>('GET', agentAt(id), { signal }),
    /** The newest first. */
    versions: (id: string, signal: AbortSignal) =>
      send<{ versions: types.AgentVersion[] }>('GET', `${agentAt(id)}/versions`, { signal }),
    publishAgent: (body: types.AgentFields) => send<types.Agent>('POST', '/v1/agents', { body }),
    changeAgent: (id: string, body: types.AgentFields) => send<types.Agent>('PATCH', agentAt(id), { body }),
    /** `drain` also stops the instances of the agent. */
    retire: (id: string, body: { drain: boolean }) => send<types.Agent>('POST', `${agentAt(id)}/retire`, { body }),
    takeBack: (id: string) => send<types.Agent>('POST', `${agentAt(id)}/publish`),
    /** The newest first. */
    rollouts: (query: Record<string, string>, signal: AbortSignal) =>
      send<{ rollouts: types.Rollout[] }>('GET', '/v1/rollouts', { query, signal }),
    rollout: (id: string, signal: AbortSignal) => send<types.RolloutWithWaves>('GET', rolloutAt(id), { signal }),
    /** By wave. */
    movedInstances: (id: string, query: Record<string, string>, signal: AbortSignal) =>
      send<types.MovedPage>('GET', `${rolloutAt(id)}/instances`, { query, signal }),
    startRollout: (agentId: string, body: types.NewRollout) =>
      send<types.RolloutWithWaves>('POST', `${agentAt(agentId)}/rollouts`, { body }),
    askOfRollout: (id: string, action: types.RolloutAction) =>
      send<types.RolloutWithWaves>('POST', `${rolloutAt(id)}/${action}`),
    /** The newest first. */
    deployments: (query: Record<string, string>, signal: AbortSignal) =>
      send<{ deployments: types.Deployment[] }>('GET', '/v1/deployments', { query, signal }),
    deployment: (id: string, signal: AbortSignal) => send<types.Deployment>('GET', deploymentAt(id), { signal }),
    /** By instance. */
    findings: (id: string, query: Record<string, string>, signal: AbortSignal) =>
      send<types.FindingPage>('GET', `${deploymentAt(id)}/instances`, { query, signal }),
    deploy: (body: types.NewDeployment) => send<types.Deployment>('POST', '/v1/deployments', { body }),
    askOfDeployment: (id: string, action: types.DeploymentAction) =>
      send<types.Deployment>('POST', `${deploymentAt(id)}/${action}`),
    builds: (signal: AbortSignal) => send<{ builds: types.WorkerBuild[] }>('GET', '/v1/builds', { signal }),
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
