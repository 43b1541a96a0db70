/** Names that all folders share. This file does without zod, so that it can be part of the workflow bundle. */

/** Every event. Its definition is in `contracts/events/`, and its name is its routing key. */
export const eventTypes = [
  'instance.created',
  'instance.updated',
  'instance.deleted',
  'agent.published',
  'agent.retired',
] as const;
export type EventType = (typeof eventTypes)[number];

export type ServiceName = 'event_broker' | 'agents_worker' | 'user_backend' | 'admin_backend';

export const exchangeNames = {
  events: 'events.topic',
  agents: 'agents.direct',
  deadLetters: 'events.dead_letters',
  sentAgain: 'events.sent_again',
} as const;

/** The exchange for messages that a service could not handle. No other service may publish to it. */
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

/** The queue for the commands to one instance, bound to `agents.direct`. */
export function controlQueueName(instanceId: string): string {
  return `instance.${instanceId}.control`;
}

/** The queue for the events that one replica of user_backend pushes to its clients, bound to `events.topic`. */
export function replicaQueueName(replicaId: string): string {
  return `user_backend.replica.${replicaId}`;
}

/** Why an agent is asked to stop. `failed`: the agent as it is published now does not allow the instance to continue. */
export const stopReasons = ['stopped', 'deleted', 'replaced', 'agent_retired', 'failed'] as const;
export type StopReason = (typeof stopReasons)[number];

export const instanceStatuses = ['pending', 'running', 'failed', 'stopped'] as const;
export type InstanceStatus = (typeof instanceStatuses)[number];

export const desiredStates = ['running', 'stopped'] as const;
export type DesiredState = (typeof desiredStates)[number];

/** Why provisioning fails for good. The failures of the activity have these types. */
export const provisioningFailureCodes = ['agent_retired', 'spec_rejected', 'provisioning_failed'] as const;
export type ProvisioningFailureCode = (typeof provisioningFailureCodes)[number];

/** The reasons for a status. docs/event-bus-contracts.md explains them, from contracts/status-reasons.ts. */
export const reasonCodes = [
  ...provisioningFailureCodes,
  'agent_unknown',
  'restarting',
  'agent_exited',
  'cleanup_failed',
  'no_host',
  'host_lost',
  'moving',
] as const;
export type ReasonCode = (typeof reasonCodes)[number];

export interface StatusReason {
  code: ReasonCode;
  message: string;
}

/** The NOTIFY channels of the database. Each has the name of its trigger. */
export const notificationChannels = ['instances_notify', 'agents_notify'] as const;

/** Custom search attributes, all of type Keyword. They are not encrypted and visible in the Web UI, so they hold no secret. */
export const searchAttributeNames = {
  status: 'InstanceStatus',
  /** A `ReasonCode`, or absent. */
  statusReason: 'StatusReason',
  agentId: 'AgentId',
  userId: 'UserId',
} as const;

export const instanceWorkflowType = 'instanceWorkflow';

export function instanceWorkflowId(instanceId: string): string {
  return `instance/${instanceId}`;
}

/** The task queue that only the workers of one host poll: what starts, stops or looks at agents there. */
export function hostTaskQueue(taskQueue: string, hostId: string): string {
  return `${taskQueue}/host/${hostId}`;
}
