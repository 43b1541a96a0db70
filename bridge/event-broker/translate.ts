import { z } from 'zod';
import type { EventBody } from '../../contracts/catalog.ts';
import type { InstanceMetadata } from '../../contracts/envelope.ts';
import type { EventType } from '../../contracts/names.ts';
import { readNotification, type AgentRow, type InstanceRow, type Notification } from '../../contracts/notification.ts';
import { UnknownVersion } from '../../contracts/versions.ts';
import type { EventLogEntry } from './event-log.ts';
import { toEventMessage, type EventMessage } from '../bus/outgoing-event.ts';

/** The entry does not have the documented form, so it can never be published. */
export class UntranslatableEntry extends Error {
  override name = 'UntranslatableEntry';
}

/** Makes the documented event from the JSON of the trigger, in any supported version. @throws UntranslatableEntry */
export function translate(entry: EventLogEntry): EventMessage {
  const written = orUntranslatable('', () => readNotification(entry.notification));
  const { instance, ...event } = toEvent(written);
  const metadata = {
    id: entry.eventId,
    subject: entry.entityId,
    time: entry.occurredAt.toISOString(),
    sequence: entry.sequence,
    position: entry.position,
    correlationId: entry.correlationId,
    causationId: entry.causationId ?? undefined,
    traceparent: entry.traceparent,
    instance,
  };
  // This validates the event: the database allows values that the event does not, such as another first status.
  return orUntranslatable(`${event.type}: `, () => toEventMessage({ ...event, metadata }));
}

function orUntranslatable<Result>(what: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof z.ZodError)
      throw new UntranslatableEntry(`${what}${z.prettifyError(error)}`, { cause: error });
    if (error instanceof UnknownVersion) throw new UntranslatableEntry(`${what}${error.message}`, { cause: error });
    throw error;
  }
}

type Translation = { [Type in EventType]: { type: Type; body: EventBody<Type> } }[EventType];

function toEvent(written: Notification): Translation & { instance?: InstanceMetadata } {
  const { table, event_type: change, row_data: row } = written;
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
    case 'insert': {
      const body = { instance_id, agent_id, user_id, config, created_at, status };
      // The type cannot express that the row of an insert has a config and the status pending.
      return { type: 'instance.created', body: body as EventBody<'instance.created'> };
    }
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
