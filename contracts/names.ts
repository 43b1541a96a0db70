/** Names that all folders share. This file does without zod, so that it can be part of the workflow bundle. */

/** Every event. Its definition is in `contracts/events/`, and its name is its routing key. */
export const eventTypes = [
  'instance.created',
  'instance.updated',
  'instance.deleted',
  'agent.published',
  'agent.retired',
  'rollout.requested',
  'rollout.updated',
  'rollout.completed',
  'rollout.rolled_back',
  'deployment.requested',
  'deployment.updated',
  'deployment.promoted',
  'deployment.rolled_back',
] as const;
export type EventType = (typeof eventTypes)[number];

export type ServiceName = 'event_broker' | 'agents_worker' | 'user_backend' | 'admin_backend' | 'deployer';

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
  agentsWorkerRollout: 'agents_worker.rollout',
  agentsWorkerDeployment: 'agents_worker.deployment',
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

/** Whether rollouts change the version of an instance. */
export const versionPolicies = ['follow', 'hold'] as const;
export type VersionPolicy = (typeof versionPolicies)[number];

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

/** `queued`: waits until the rollout before it has ended. Those from `completed` on are the ends. */
export const rolloutStatuses = [
  'requested',
  'queued',
  'progressing',
  'paused',
  'rolling_back',
  'completed',
  'rolled_back',
  'aborted',
  'superseded',
  'refused',
] as const;
export type RolloutStatus = (typeof rolloutStatuses)[number];

export const rolloutDesiredStates = ['running', 'paused', 'aborted', 'superseded'] as const;
export type RolloutDesiredState = (typeof rolloutDesiredStates)[number];

/** Why a rollout has its status. */
export const rolloutReasonCodes = [
  'canary_failed',
  'too_many_failures',
  'no_progress',
  'aborted',
  'awaiting_promotion',
  'paused',
  'agent_retired',
  'version_withdrawn',
  'invalid_strategy',
  'superseded',
] as const;
export type RolloutReasonCode = (typeof rolloutReasonCodes)[number];

export interface RolloutReason {
  code: RolloutReasonCode;
  message: string;
}

/** What became of an instance that a rollout moved. `left`: it was deleted or stopped, or a user chose another agent or version. */
export const rolloutOutcomes = ['moved', 'healthy', 'failed', 'left', 'reverted'] as const;

/** `promoted`: the candidate is the current build, and the previous build drains. The ends are `endedDeploymentStatuses`. */
export const deploymentStatuses = [
  'requested',
  'waiting',
  'checking',
  'ramping',
  'promoting',
  'promoted',
  'drained',
  'paused',
  'rolling_back',
  'refused',
  'rolled_back',
  'aborted',
  'superseded',
] as const;
export type DeploymentStatus = (typeof deploymentStatuses)[number];

export const endedDeploymentStatuses = ['drained', 'refused', 'rolled_back', 'aborted', 'superseded'] as const;

export const deploymentDesiredStates = ['running', 'paused', 'promoted', 'aborted', 'rolled_back'] as const;
export type DeploymentDesiredState = (typeof deploymentDesiredStates)[number];

/** Why a deployment has its status. */
export const deploymentReasonCodes = [
  'candidate_absent',
  'candidate_incompatible',
  'gate_failed',
  'blast_radius_exceeded',
  'canary_failed',
  'task_failures',
  'instance_failures',
  'candidate_lost',
  'previous_absent',
  'heal_failed',
  'no_progress',
  'foreign_change',
  'already_current',
  'awaiting_promotion',
  'paused',
  'aborted',
  'rollback_requested',
  'superseded',
  'invalid_strategy',
] as const;
export type DeploymentReasonCode = (typeof deploymentReasonCodes)[number];

export interface DeploymentReason {
  code: DeploymentReasonCode;
  message: string;
}

/** What was found about an instance during a deployment. `would_change`: the candidate would do something else at its next task. */
export const deploymentFindings = [
  'replay_failed',
  'would_change',
  'held',
  'probe_failed',
  'task_failed',
  'instance_failed',
  'reset',
] as const;
export type DeploymentFinding = (typeof deploymentFindings)[number];

/** The NOTIFY channels of the database. Each has the name of its trigger. */
export const notificationChannels = [
  'instances_notify',
  'agents_notify',
  'rollouts_notify',
  'deployments_notify',
] as const;

/** Custom search attributes, all of type Keyword. They are not encrypted and visible in the Web UI, so they hold no secret. */
export const searchAttributeNames = {
  status: 'InstanceStatus',
  /** A `ReasonCode`, or absent. */
  statusReason: 'StatusReason',
  agentId: 'AgentId',
  userId: 'UserId',
  /** A `RolloutStatus`, of the workflows of rollouts. */
  rolloutStatus: 'RolloutStatus',
} as const;

export const instanceWorkflowType = 'instanceWorkflow';

export function instanceWorkflowId(instanceId: string): string {
  return `instance/${instanceId}`;
}

/** The task queue that only the workers of one host poll: what starts, stops or looks at agents there. */
export function hostTaskQueue(taskQueue: string, hostId: string): string {
  return `${taskQueue}/host/${hostId}`;
}

export const rolloutWorkflowType = 'rolloutWorkflow';

/** The workflow that drives the rollouts of an agent, one after the other. */
export function rolloutWorkflowId(agentId: string): string {
  return `rollout/${agentId}`;
}

/** Temporal separates the name from the build id by a dot, so the name has none. The database checks both as well. */
export const deploymentNamePattern = /^[A-Za-z0-9][A-Za-z0-9_/-]{0,127}$/;
export const buildIdPattern = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/;

/** A build of agents_worker, as Temporal knows it: a version of a worker deployment. */
export interface BuildOfDeployment {
  deploymentName: string;
  buildId: string;
}

export const gateWorkflowType = 'gateWorkflow';

/** The workflow that replays one batch of runs with the code of the build that a deployment carries. */
export function gateWorkflowId(deploymentId: string, batch: number): string {
  return `gate/${deploymentId}/${batch}`;
}

export const deploymentWorkflowType = 'deploymentWorkflow';

/** The workflow that drives the deployments of a name, one after the other. */
export function deploymentWorkflowId(deploymentName: string): string {
  return `deployment/${deploymentName}`;
}

/** The task queue that the deployer polls. No build of agents_worker does, so that none of them drives its own deployment. */
export function deploymentTaskQueue(taskQueue: string): string {
  return `${taskQueue}/deployments`;
}
