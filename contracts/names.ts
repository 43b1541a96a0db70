/**
 * Names that every room shares. Free of zod, so that workflow code may import it without growing its bundle.
 * Source: the event bus contracts (`docs/event-bus-contracts.md`).
 */

/** Every event. Each is defined in `contracts/events/`, and its name is its routing key. */
export const eventTypes = [
  'instance.created',
  'instance.updated',
  'instance.deleted',
  'agent.published',
  'agent.retired',
] as const;
export type EventType = (typeof eventTypes)[number];

/** Whoever takes part in the bus. */
export type ServiceName = 'event_broker' | 'agents_worker' | 'user_backend' | 'admin_backend';

export const exchangeNames = {
  events: 'events.topic',
  agents: 'agents.direct',
  deadLetters: 'events.dead_letters',
  sentAgain: 'events.sent_again',
} as const;

/** The exchange to which one service alone publishes the messages of its queues that it could not handle. */
export function deadLetterExchangeName<Service extends ServiceName>(service: Service): `${Service}.dead_letters` {
  return `${service}.dead_letters`;
}

export const queueNames = {
  agentsWorkerInstance: 'agents_worker.instance',
  agentsWorkerAgent: 'agents_worker.agent',
  userBackendWsUpdates: 'user_backend.ws_updates',
  userBackendAgent: 'user_backend.agent',
  adminBackendAudit: 'admin_backend.audit',
} as const;

/** The queue in which an instance whose agent listens gets its commands; bound to `agents.direct`. */
export function controlQueueName(instanceId: string): string {
  return `instance.${instanceId}.control`;
}

/** The queue in which one replica of user_backend gets every event that concerns its clients; bound to `events.topic`. */
export function replicaQueueName(replicaId: string): string {
  return `user_backend.replica.${replicaId}`;
}

/** Why an agent is asked to stop. `failed`: what is published of its agent does not let it go on. */
export const stopReasons = ['stopped', 'deleted', 'replaced', 'agent_retired', 'failed'] as const;
export type StopReason = (typeof stopReasons)[number];

export const instanceStatuses = ['pending', 'running', 'failed', 'stopped'] as const;
export type InstanceStatus = (typeof instanceStatuses)[number];

export const desiredStates = ['running', 'stopped'] as const;
export type DesiredState = (typeof desiredStates)[number];

/** Why provisioning makes an instance `failed`; also the types of the activity's failures. */
export const provisioningFailureCodes = ['agent_retired', 'spec_rejected', 'provisioning_failed'] as const;
export type ProvisioningFailureCode = (typeof provisioningFailureCodes)[number];

/** Why a status is what it is, for programs; a sentence for a person always goes with it. */
export const reasonCodes = [
  ...provisioningFailureCodes,
  /** `pending`: the agent was not published yet. */
  'agent_unknown',
  /** `pending`: the agent ended and is started again after a pause. */
  'restarting',
  /** `failed`: the agent ended, and its restart policy or limit lets it be. */
  'agent_exited',
  /** `failed`: what was made for the instance could not be removed in time; tried again later. */
  'cleanup_failed',
] as const;
export type ReasonCode = (typeof reasonCodes)[number];

export interface StatusReason {
  code: ReasonCode;
  message: string;
}

/** Channels that the triggers of shared_psql notify on; each is named after its trigger. */
export const notificationChannels = ['instances_notify', 'agents_notify'] as const;

/** Custom search attributes, all of type Keyword. Shown in the Web UI, not encrypted: nothing secret goes in. */
export const searchAttributeNames = {
  status: 'InstanceStatus',
  /** A `ReasonCode`; absent where the status has no reason. */
  statusReason: 'StatusReason',
  agentId: 'AgentId',
  userId: 'UserId',
} as const;

export const instanceWorkflowType = 'instanceWorkflow';

export function instanceWorkflowId(instanceId: string): string {
  return `instance/${instanceId}`;
}
