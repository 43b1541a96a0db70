import type { EventBody } from '../../contracts/catalog.ts';
import { toInstanceMetadata, type InstanceMetadata } from '../../contracts/envelope.ts';
import type { EventType } from '../../contracts/names.ts';
import type { Notification } from '../../contracts/notification.ts';
import type { AgentRow, DeploymentRow, InstanceRow, RolloutRow } from '../../contracts/rows.ts';

/** Name and body of an event; its metadata comes from the log entry. */
type Translation = { [Type in EventType]: { type: Type; body: EventBody<Type> } }[EventType];

/** Makes an event of a change of a row. A new field of an event is taken from its row here. */
export function eventOf(notification: Notification): Translation & { instance?: InstanceMetadata } {
  const { table, event_type: change, row_data: row } = notification;
  switch (table) {
    case 'instances':
      return { ...instanceEvent(change, row), instance: toInstanceMetadata(row) };
    case 'agents':
      return agentEvent(change, row);
    case 'rollouts':
      return rolloutEvent(change, row);
    case 'deployments':
      return deploymentEvent(change, row);
  }
}

function instanceEvent(change: Notification['event_type'], row: InstanceRow): Translation {
  const { id: instance_id, agent_id, user_id, config, created_at, status, metadata, updated_at, host_id } = row;
  const { agent_version, running_version, version_policy } = row;
  // An entry that is older than the column says nothing of a host, which differs from an instance without one.
  const host = host_id === undefined ? {} : { host_id };
  const desired = agent_version === undefined ? {} : { agent_version };
  const versions = {
    ...desired,
    ...(running_version !== undefined && { running_version }),
    ...(version_policy && { version_policy }),
  };
  switch (change) {
    case 'insert': {
      const body = { instance_id, agent_id, user_id, config, created_at, status, ...host, ...desired };
      // The type cannot express that the row of an insert has a config and the status pending.
      return { type: 'instance.created', body: body as EventBody<'instance.created'> };
    }
    case 'update':
      return { type: 'instance.updated', body: { instance_id, status, metadata, updated_at, ...host, ...versions } };
    case 'delete':
      return { type: 'instance.deleted', body: { instance_id, agent_id, user_id, deleted_at: updated_at, ...host } };
  }
}

function agentEvent(change: Notification['event_type'], row: AgentRow): Translation {
  const { id: agent_id, name, version, capabilities, retired_at, drain, updated_at, stable_version } = row;
  if (change === 'delete' || retired_at !== null) {
    return { type: 'agent.retired', body: { agent_id, retired_at: retired_at ?? updated_at, drain } };
  }
  const stable = stable_version === undefined ? {} : { stable_version };
  return { type: 'agent.published', body: { agent_id, name, version, capabilities, ...stable } };
}

function rolloutEvent(change: Notification['event_type'], row: RolloutRow): Translation {
  const { id: rollout_id, agent_id, version, status, desired_state, reason, updated_at } = row;
  const rollout = { rollout_id, agent_id, version };
  if (change === 'insert') {
    const { strategy, requested_by, created_at: requested_at } = row;
    return {
      type: 'rollout.requested',
      body: { ...rollout, strategy, ...(requested_by !== null && { requested_by }), requested_at },
    };
  }
  const { wave, total, moved, healthy, failed, reverted } = row;
  const counts = { wave, total, moved, healthy, failed };
  if (status === 'completed') {
    return { type: 'rollout.completed', body: { ...rollout, ...counts, completed_at: updated_at } };
  }
  if (status === 'rolled_back' && reason) {
    return {
      type: 'rollout.rolled_back',
      body: { ...rollout, ...counts, reverted, reason, rolled_back_at: updated_at },
    };
  }
  return {
    type: 'rollout.updated',
    body: { ...rollout, status, desired_state, ...counts, ...(reason && { reason }), updated_at },
  };
}

function deploymentEvent(change: Notification['event_type'], row: DeploymentRow): Translation {
  const { id: deployment_id, deployment_name, build_id, previous_build_id, status, desired_state, updated_at } = row;
  const { percentage, step, held, reset_instances, gate, blast_radius, reason, promoted_at } = row;
  const deployment = { deployment_id, deployment_name, build_id, previous_build_id };
  if (change === 'insert') {
    const { strategy, requested_by, requested_at } = row;
    return {
      type: 'deployment.requested',
      body: { ...deployment, strategy, ...(requested_by !== null && { requested_by }), requested_at },
    };
  }
  // Later changes of a promoted deployment are no promotion.
  if (status === 'promoted' && promoted_at === updated_at) {
    return { type: 'deployment.promoted', body: { ...deployment, held, promoted_at } };
  }
  if (status === 'rolled_back' && reason) {
    return {
      type: 'deployment.rolled_back',
      body: { ...deployment, reason, reset_instances, rolled_back_at: updated_at },
    };
  }
  return {
    type: 'deployment.updated',
    body: {
      ...deployment,
      status,
      desired_state,
      percentage,
      step,
      held,
      reset_instances,
      ...(gate && { gate }),
      ...(blast_radius && { blast_radius }),
      ...(reason && { reason }),
      updated_at,
    },
  };
}
