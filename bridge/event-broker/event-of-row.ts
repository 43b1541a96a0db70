import type { EventBody } from '../../contracts/catalog.ts';
import { toInstanceMetadata, type InstanceMetadata } from '../../contracts/envelope.ts';
import type { EventType } from '../../contracts/names.ts';
import type { Notification } from '../../contracts/notification.ts';
import type { AgentRow, InstanceRow } from '../../contracts/rows.ts';

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
  }
}

function instanceEvent(change: Notification['event_type'], row: InstanceRow): Translation {
  const { id: instance_id, agent_id, user_id, config, created_at, status, metadata, updated_at, host_id } = row;
  // An entry that is older than the column says nothing of a host, which differs from an instance without one.
  const host = host_id === undefined ? {} : { host_id };
  switch (change) {
    case 'insert': {
      const body = { instance_id, agent_id, user_id, config, created_at, status, ...host };
      // The type cannot express that the row of an insert has a config and the status pending.
      return { type: 'instance.created', body: body as EventBody<'instance.created'> };
    }
    case 'update':
      return { type: 'instance.updated', body: { instance_id, status, metadata, updated_at, ...host } };
    case 'delete':
      return { type: 'instance.deleted', body: { instance_id, agent_id, user_id, deleted_at: updated_at, ...host } };
  }
}

function agentEvent(change: Notification['event_type'], row: AgentRow): Translation {
  const { id: agent_id, name, version, capabilities, retired_at, drain, updated_at } = row;
  if (change === 'delete' || retired_at !== null) {
    return { type: 'agent.retired', body: { agent_id, retired_at: retired_at ?? updated_at, drain } };
  }
  return { type: 'agent.published', body: { agent_id, name, version, capabilities } };
}
