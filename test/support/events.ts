import { randomUUID } from 'node:crypto';
import type { ConsumeMessage } from 'amqplib';
import type { EventLogEntry } from '../../bridge/event-broker/event-log.ts';

/** Row and messages written by hand from the contract: nothing of the project's code takes part in making them. */

/** A row of `instances` in the JSON of its trigger. */
export function instanceRow(fields: object = {}) {
  return {
    id: randomUUID(),
    agent_id: randomUUID(),
    user_id: randomUUID(),
    config: { model: 'small' } as object,
    desired_state: 'running',
    generation: 1,
    status: 'pending',
    observed_generation: 0,
    metadata: {} as object,
    sequence: 1,
    created_at: '2025-01-01T12:00:00.123456+00:00',
    updated_at: '2025-01-01T12:00:01.5+00:00',
    ...fields,
  };
}

/** A row of `agents` in the JSON of its trigger. */
export function agentRow(fields: object = {}) {
  return {
    id: randomUUID(),
    name: 'echo',
    version: '1.2.0',
    capabilities: ['chat', 'search'] as unknown[],
    runtime: { kind: 'process', command: ['true'] },
    retired_at: null as string | null,
    drain: false,
    sequence: 1,
    created_at: '2025-01-01T12:00:00+00:00',
    updated_at: '2025-01-01T12:00:01+00:00',
    ...fields,
  };
}

/** What the trigger of `table` writes of a change. */
export function notificationOf(table: 'instances' | 'agents', change: string, row: object): object {
  return { schema_version: 1, event_type: change, table, row_data: row };
}

export function logEntry(notification: unknown, fields: Partial<EventLogEntry> = {}): EventLogEntry {
  return {
    id: '7',
    eventId: randomUUID(),
    entityId: randomUUID(),
    sequence: 1,
    position: 5,
    notification,
    correlationId: randomUUID(),
    causationId: null,
    traceparent: traceparent(),
    occurredAt: new Date('2025-01-01T12:00:02.345Z'),
    ...fields,
  };
}

export interface WireMessage {
  content: string;
  headers: Record<string, unknown>;
}

/** `instance.created`, as any client may publish it. */
export function createdMessage({ instanceId = randomUUID(), sequence = 1, generation = 1 } = {}): WireMessage {
  const agentId = randomUUID();
  const userId = randomUUID();
  const id = randomUUID();
  return {
    content: JSON.stringify({
      instance_id: instanceId,
      agent_id: agentId,
      user_id: userId,
      config: {},
      created_at: '2025-01-01T12:00:00Z',
      status: 'pending',
    }),
    headers: {
      'cloudEvents:specversion': '1.0',
      'cloudEvents:id': id,
      'cloudEvents:source': '/shared_psql/instances',
      'cloudEvents:type': 'instance.created',
      'cloudEvents:subject': instanceId,
      'cloudEvents:time': '2025-01-01T12:00:00Z',
      'cloudEvents:sequence': String(sequence).padStart(19, '0'),
      'cloudEvents:correlationid': id,
      'cloudEvents:traceparent': traceparent(),
      schema_version: 1,
      agent_id: agentId,
      user_id: userId,
      desired_state: 'running',
      generation,
      observed_generation: 0,
    },
  };
}

/** The message as a consumer of RabbitMQ is handed it. */
export function delivered({ content, headers }: { content: string | Buffer; headers?: object | undefined }) {
  return { content: Buffer.from(content), properties: { headers }, fields: {} } as unknown as ConsumeMessage;
}

function traceparent(): string {
  const hex = (): string => randomUUID().replaceAll('-', '');
  return `00-${hex()}-${hex().slice(16)}-01`;
}
