import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { expect, inject, vi } from 'vitest';
import { takeUnpublished } from '../../bridge/event-broker/event-log.ts';
import type { EventMessage } from '../../bridge/bus/outgoing-event.ts';
import { translate } from '../../bridge/event-broker/translate.ts';
import { notification } from '../../contracts/notification.ts';
import { notificationChannels } from '../../contracts/names.ts';
import { createMigratedDatabase, dropDatabase } from './databases.ts';
import { headersSchemaOf, problemsOf } from './published-schemas.ts';

/** A migrated database of a test file's own, and what its triggers wrote and said. */
export async function openEventLog() {
  const server = inject('postgresUrl');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const databaseUrl = await createMigratedDatabase(server, name);
  const [writer, listener] = [new pg.Client(databaseUrl), new pg.Client(databaseUrl)];
  await Promise.all([writer.connect(), listener.connect()]);
  const heard: unknown[] = [];
  listener.on('notification', ({ payload = '' }) => void heard.push(JSON.parse(payload)));
  for (const channel of notificationChannels) await listener.query(`listen ${channel}`);
  let checked = 0;

  return {
    databaseUrl,
    query: writer.query.bind(writer),
    /**
     * Expects whatever was written since the last call to be as documented, in the log, over NOTIFY and as an event.
     * @returns the events, as they are on the wire
     */
    expectDocumented: async (): Promise<EventMessage[]> => {
      const { rows: sizes } = await writer.query<{ id: string; size: number; text: number }>(
        'select id, size_bytes as size, octet_length(notification::text) as text from event_log order by id offset $1',
        [checked],
      );
      const entries = (await takeUnpublished(writer, { maxEntries: 100_000, maxBytes: 1e12 })).slice(checked);
      const [first, end] = [checked, checked + sizes.length];
      checked = end;
      await vi.waitUntil(() => heard.length >= end, { timeout: 20_000, interval: 2 });
      expect(heard).toHaveLength(end);
      const said = heard.slice(first, end);
      return entries.map((entry, index) => {
        const { version } = notification.versions.newest;
        const { size, text, id } = sizes[index] ?? {};
        const { table } = entry.notification as { table: string };
        const form =
          { rollouts: 'rollout_notification', deployments: 'deployment_notification' }[table] ?? 'notification';
        expect(problemsOf(form, version, entry.notification)).toEqual([]);
        expect([entry.id, size]).toEqual([id, text]);
        const { row_data: _, ...envelope } = entry.notification as Record<string, unknown>;
        // Every login may LISTEN, and the row of an agent holds `runtime`.
        const saysRow = envelope['table'] !== 'agents' && (size ?? 0) <= notification.notifyLimitBytes;
        expect(said[index]).toEqual(saysRow ? entry.notification : { ...envelope, event_log_id: Number(entry.id) });
        return expectDocumentedEvent(translate(entry));
      });
    },
    close: async () => {
      await Promise.all([writer.end(), listener.end()]);
      await dropDatabase(server, name);
    },
  };
}

function expectDocumentedEvent(message: EventMessage): EventMessage {
  const { type, schemaVersion } = message.metadata;
  const body: unknown = JSON.parse(JSON.stringify(message.body));
  expect(problemsOf(type, schemaVersion, body)).toEqual([]);
  expect(problemsOf(headersSchemaOf(type), 1, message.headers)).toEqual([]);
  return { ...message, body };
}
