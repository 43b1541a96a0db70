/**
 * Names that every room shares. Free of zod, so that workflow code may import it without growing its bundle.
 * Source: the event bus contracts (`docs/event-bus-contracts.md`).
 */

export const exchangeNames = {
  events: 'events.topic',
  agents: 'agents.direct',
  deadLetters: 'events.dead_letters',
} as const;

export const queueNames = {
  agentsWorkerInstance: 'agents_worker.instance',
  userBackendWsUpdates: 'user_backend.ws_updates',
  adminBackendAudit: 'admin_backend.audit',
} as const;

export const instanceStatuses = ['pending', 'running', 'failed', 'stopped'] as const;
export type InstanceStatus = (typeof instanceStatuses)[number];

export const desiredStates = ['running', 'stopped'] as const;
export type DesiredState = (typeof desiredStates)[number];

/** Why an instance is `failed`, for programs; a sentence for a person always goes with it. */
export const failureCodes = [
  'agent_unknown',
  'agent_retired',
  'spec_rejected',
  'provisioning_failed',
  'agent_exited',
] as const;
export type FailureCode = (typeof failureCodes)[number];

export interface StatusReason {
  code: FailureCode;
  message: string;
}

/** Channels that the triggers of shared_psql notify on; each is named after its trigger. */
export const notificationChannels = ['instances_notify', 'agents_notify'] as const;

/** Custom search attributes, all of type Keyword. Shown in the Web UI, not encrypted: nothing secret goes in. */
export const searchAttributeNames = { status: 'InstanceStatus', agentId: 'AgentId', userId: 'UserId' } as const;

export const instanceWorkflowType = 'instanceWorkflow';

export function instanceWorkflowId(instanceId: string): string {
  return `instance/${instanceId}`;
}
