import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { translate, UntranslatableEntry } from '../../bridge/event-broker/translate.ts';
import { agentRow, instanceRow, logEntry, notificationOf } from '../support/events.ts';

describe('the body is exactly the documented one', () => {
  test('of instance.created, from an insert', () => {
    const row = instanceRow();
    const { routingKey, body } = translate(logEntry(notificationOf('instances', 'insert', row)));
    expect(routingKey).toBe('instance.created');
    expect(body).toEqual({
      instance_id: row.id,
      agent_id: row.agent_id,
      user_id: row.user_id,
      config: row.config,
      created_at: '2025-01-01T12:00:00.123Z',
      status: 'pending',
    });
  });

  test.each(['pending', 'running', 'failed', 'stopped'])('of instance.updated with %s, from an update', (status) => {
    const metadata = { status_reason: { code: 'agent_exited', message: 'It ended.' }, note: 'kept' };
    const { config: _, ...row } = instanceRow({ status, metadata });
    const { routingKey, body } = translate(logEntry(notificationOf('instances', 'update', row)));
    expect(routingKey).toBe('instance.updated');
    expect(body).toEqual({ instance_id: row.id, status, metadata, updated_at: '2025-01-01T12:00:01.500Z' });
  });

  test('of instance.updated where the config changed: the config stays out', () => {
    const { body } = translate(logEntry(notificationOf('instances', 'update', instanceRow())));
    expect(Object.keys(body as object)).toEqual(['instance_id', 'status', 'metadata', 'updated_at']);
  });

  test('of instance.deleted, from a delete', () => {
    const { config: _, ...row } = instanceRow({ status: 'running' });
    const { routingKey, body } = translate(logEntry(notificationOf('instances', 'delete', row)));
    expect(routingKey).toBe('instance.deleted');
    expect(body).toEqual({
      instance_id: row.id,
      agent_id: row.agent_id,
      user_id: row.user_id,
      deleted_at: '2025-01-01T12:00:01.500Z',
    });
  });

  test.each(['insert', 'update', 'delete'])(
    'of %s, with the host, with none, and from an entry older than hosts',
    (change) => {
      const hostOf = (fields: object): unknown => {
        const row = instanceRow(fields);
        return (translate(logEntry(notificationOf('instances', change, row))).body as { host_id?: unknown }).host_id;
      };
      const host_id = randomUUID();
      expect([hostOf({ host_id }), hostOf({ host_id: null }), hostOf({})]).toEqual([host_id, null, undefined]);
    },
  );

  test('with the versions of an instance and of an agent, with none, and from entries that are older than versions', () => {
    const bodyOf = (table: 'instances' | 'agents', change: string, row: object): unknown =>
      translate(logEntry(notificationOf(table, change, row))).body;
    const versions = { agent_version: '2', running_version: '1', version_policy: 'hold' };
    expect(bodyOf('instances', 'update', instanceRow(versions))).toMatchObject(versions);
    const none = { agent_version: null, running_version: null, version_policy: 'follow' };
    expect(bodyOf('instances', 'update', instanceRow(none))).toMatchObject(none);
    const created = bodyOf('instances', 'insert', instanceRow(versions));
    expect(created).toMatchObject({ agent_version: '2' });
    expect(created).not.toHaveProperty('version_policy');
    expect(bodyOf('instances', 'delete', instanceRow(versions))).not.toHaveProperty('agent_version');
    const published = bodyOf('agents', 'update', agentRow({ stable_version: '1', rollout: { canary: {} } }));
    expect(published).toMatchObject({ version: '1.2.0', stable_version: '1' });
    expect(published).not.toHaveProperty('rollout');
  });

  test.each(['insert', 'update'])('of agent.published, from an %s: what runs it stays out', (change) => {
    const row = agentRow();
    const { routingKey, body } = translate(logEntry(notificationOf('agents', change, row)));
    expect(routingKey).toBe('agent.published');
    expect(body).toEqual({ agent_id: row.id, name: 'echo', version: '1.2.0', capabilities: ['chat', 'search'] });
  });

  test.each([
    ['insert', true],
    ['update', false],
    ['update', true],
    ['delete', true],
  ])('of agent.retired, from an %s of a retired agent whose drain is %s', (change, drain) => {
    const row = agentRow({ retired_at: '2025-02-03T04:05:06+00:00', drain });
    const { routingKey, body, metadata } = translate(logEntry(notificationOf('agents', change, row)));
    expect(routingKey).toBe('agent.retired');
    expect(metadata.schemaVersion).toBe(1);
    expect(body).toEqual({ agent_id: row.id, retired_at: '2025-02-03T04:05:06.000Z', drain });
  });

  test('of agent.retired, from an entry that is older than drain: what runs goes on', () => {
    const { drain: _, ...row } = agentRow({ retired_at: '2025-02-03T04:05:06+00:00' });
    const { body } = translate(logEntry(notificationOf('agents', 'update', row)));
    expect(body).toEqual({ agent_id: row.id, retired_at: '2025-02-03T04:05:06.000Z', drain: false });
  });

  test('of agent.retired, from the delete of an agent that was not', () => {
    const row = agentRow();
    const { routingKey, body } = translate(logEntry(notificationOf('agents', 'delete', row)));
    expect(routingKey).toBe('agent.retired');
    expect(body).toEqual({ agent_id: row.id, retired_at: '2025-01-01T12:00:01.000Z', drain: false });
  });
});

test('everything else of an instance travels beside the body', () => {
  const row = instanceRow({ desired_state: 'stopped', generation: 3, observed_generation: 2 });
  const entry = logEntry(notificationOf('instances', 'update', row), { sequence: 12, entityId: row.id });
  expect(translate(entry).metadata).toEqual({
    id: entry.eventId,
    type: 'instance.updated',
    source: '/shared_psql/instances',
    subject: row.id,
    time: '2025-01-01T12:00:02.345Z',
    sequence: 12,
    position: 5,
    schemaVersion: 1,
    correlationId: entry.correlationId,
    causationId: undefined,
    traceparent: entry.traceparent,
    instance: {
      agentId: row.agent_id,
      userId: row.user_id,
      desiredState: 'stopped',
      generation: 3,
      observedGeneration: 2,
    },
  });
});

test('an agent event is from admin_backend and says nothing of an instance', () => {
  const { metadata } = translate(logEntry(notificationOf('agents', 'insert', agentRow())));
  expect(metadata).toMatchObject({ source: '/admin_backend/agents', instance: undefined });
});

test('a time in another zone becomes UTC with milliseconds', () => {
  const row = instanceRow({ created_at: '2025-01-01T13:30:00+01:30' });
  const { body } = translate(logEntry(notificationOf('instances', 'insert', row)));
  expect(body).toMatchObject({ created_at: '2025-01-01T12:00:00.000Z' });
});

describe('an entry that is not of the documented form names what is wrong', () => {
  const row = instanceRow();
  test.each([
    ['another schema_version', { ...notificationOf('instances', 'insert', row), schema_version: 2 }, /schema_version/],
    ['an unknown table', { ...notificationOf('instances', 'insert', row), table: 'users' }, /table/],
    ['an unknown change', notificationOf('instances', 'truncate', row), /event_type/],
    ['no row', { schema_version: 1, event_type: 'insert', table: 'instances' }, /row_data/],
    ['a field of the wrong type', notificationOf('instances', 'insert', { ...row, generation: 'one' }), /generation/],
    ['a created row without config', notificationOf('instances', 'insert', { ...row, config: undefined }), /config/],
    [
      'a created row that is not pending',
      notificationOf('instances', 'insert', { ...row, status: 'failed' }),
      /status/,
    ],
    ['a time without an end', notificationOf('instances', 'insert', { ...row, created_at: 'infinity' }), /created_at/],
    ['an empty name', notificationOf('agents', 'insert', agentRow({ name: '' })), /agent\.published[^]*name/],
    ['a capability that is no text', notificationOf('agents', 'insert', agentRow({ capabilities: [1] })), /capabilit/],
    ['null', null, /expected object/i],
    ['text', 'instances', /expected object/i],
  ])('%s', (_, notification, reason) => {
    const attempt = (): unknown => translate(logEntry(notification));
    expect(attempt).toThrow(UntranslatableEntry);
    expect(attempt).toThrow(reason);
  });
});
