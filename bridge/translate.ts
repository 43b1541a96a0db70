import { z } from 'zod';
import { catalog, type EventType } from '../contracts/catalog.ts';
import { type EventMetadata, type InstanceMetadata } from '../contracts/envelope.ts';
import { notification, type AgentRow, type InstanceRow, type Notification } from '../contracts/notification.ts';
import type { LogEntry } from './event-log.ts';

/** An event as it goes onto the bus. */
export interface OutgoingEvent {
  routingKey: string;
  body: unknown;
  metadata: EventMetadata;
}

/** The log entry is not of the documented form: it can never be published as it is. */
export class UntranslatableEntry extends Error {
  override name = 'UntranslatableEntry';
}

/**
 * From what the trigger wrote to the documented event.
 *
 * @throws UntranslatableEntry
 */
export function translate(entry: LogEntry): OutgoingEvent {
  const parsed = notification.safeParse(entry.notification);
  if (!parsed.success) throw new UntranslatableEntry(z.prettifyError(parsed.error));
  const { type, body, instance } = toEvent(parsed.data);
  const { routingKey, schemaVersion, source, body: schema } = catalog[type];
  const checked = schema.safeParse(body);
  if (!checked.success) throw new UntranslatableEntry(`${type}: ${z.prettifyError(checked.error)}`);
  return {
    routingKey,
    body: checked.data,
    metadata: {
      id: entry.eventId,
      type,
      source,
      subject: entry.entityId,
      time: entry.occurredAt.toISOString(),
      sequence: entry.sequence,
      schemaVersion,
      correlationId: entry.correlationId,
      causationId: entry.causationId ?? undefined,
      traceparent: entry.traceparent,
      instance,
    },
  };
}

interface Translation {
  type: EventType;
  body: unknown;
  instance?: InstanceMetadata;
}

function toEvent({ table, event_type: change, row_data: row }: Notification): Translation {
  switch (table) {
    case 'instances':
      return { ...instanceEvent(change, row), instance: instanceMetadata(row) };
    case 'agents':
      return agentEvent(change, row);
  }
}

function instanceEvent(change: Notification['event_type'], row: InstanceRow): Translation {
  const { id: instance_id, agent_id, user_id, config, created_at, status, metadata, updated_at } = row;
  switch (change) {
    case 'insert':
      return { type: 'instance.created', body: { instance_id, agent_id, user_id, config, created_at, status } };
    case 'update':
      return { type: 'instance.updated', body: { instance_id, status, metadata, updated_at } };
    case 'delete':
      return { type: 'instance.deleted', body: { instance_id, agent_id, user_id, deleted_at: updated_at } };
  }
}

function agentEvent(change: Notification['event_type'], row: AgentRow): Translation {
  const { id: agent_id, name, version, capabilities, retired_at, drain, updated_at } = row;
  if (change === 'delete' || retired_at !== null) {
    return { type: 'agent.retired', body: { agent_id, retired_at: retired_at ?? updated_at, drain } };
  }
  return { type: 'agent.published', body: { agent_id, name, version, capabilities } };
}

function instanceMetadata(row: InstanceRow): InstanceMetadata {
  return {
    agentId: row.agent_id,
    userId: row.user_id,
    desiredState: row.desired_state,
    generation: row.generation,
    observedGeneration: row.observed_generation,
  };
}
