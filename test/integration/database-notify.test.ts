import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import type { Client } from 'pg';
import { beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { notificationChannels } from '../../contracts/names.ts';
import { one, useRig } from '../support/rig.ts';

interface Payload {
  schema_version: number;
  event_type: string;
  table: string;
  row_data?: Record<string, unknown>;
  event_log_id?: number;
}

const rig = useRig();
let listener: Client;
const heard: { channel: string; text: string; payload: Payload }[] = [];

beforeAll(async () => {
  listener = await rig.connect();
  listener.on('notification', ({ channel, payload: text = '' }) => {
    heard.push({ channel, text, payload: JSON.parse(text) as Payload });
  });
  for (const channel of notificationChannels) await listener.query(`listen ${channel}`);
});
beforeEach(() => void heard.splice(0));

/** Notifications come in the order of their commits: all earlier ones were heard once this one is. */
async function untilAllHeard(): Promise<void> {
  const mark = randomUUID();
  await rig.pool.query(`select pg_notify('instances_notify', $1)`, [JSON.stringify({ mark })]);
  const isMark = ({ text }: { text: string }): boolean => text.includes(mark);
  await vi.waitUntil(() => heard.some(isMark));
  heard.splice(heard.findIndex(isMark), 1);
  await turn();
}

async function entriesOf(id: string) {
  const { rows } = await rig.pool.query<{ id: string; size_bytes: number; notification: Payload }>(
    'select id, size_bytes, notification from event_log where entity_id = $1 order by id',
    [id],
  );
  return rows;
}

test('each change of an instance is notified with the JSON that the log keeps', async () => {
  const id = await rig.insertInstance(randomUUID(), { model: 'small' });
  await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [id]);
  await rig.deleteInstance(id);
  await untilAllHeard();
  expect(heard.map(({ channel }) => channel)).toEqual(Array<string>(3).fill('instances_notify'));
  const logged = (await entriesOf(id)).map(({ notification }) => notification);
  expect(heard.map(({ payload }) => payload)).toEqual(logged);
});

test('a change of an agent is notified without its row, in which a runtime may have secrets', async () => {
  const id = await rig.publishAgent({ command: ['agent', '--key', 'hunter2'], environment: { API_KEY: 'hunter2' } });
  await rig.pool.query(`update agents set version = '2' where id = $1`, [id]);
  await rig.pool.query(`update agents set retired_at = now() where id = $1`, [id]);
  await rig.pool.query('delete from agents where id = $1', [id]);
  await untilAllHeard();
  const named = (await entriesOf(id)).map(({ id: entry, notification: { event_type: eventType } }) => ({
    channel: 'agents_notify',
    payload: { schema_version: 1, event_type: eventType, table: 'agents', event_log_id: Number(entry) },
  }));
  expect(named).toHaveLength(4);
  expect(heard.map(({ channel, payload }) => ({ channel, payload }))).toEqual(named);
  expect(heard.map(({ text }) => text).join()).not.toContain('hunter2');
});

test('1 MB of config: the row is written, and the notification names the log entry instead of holding it', async () => {
  const config = { pad: 'x'.repeat(1_000_000) };
  const id = await rig.insertInstance(randomUUID(), config);
  await untilAllHeard();
  const entry = one(await entriesOf(id));
  expect(entry.notification.row_data?.['config']).toEqual(config);
  expect(entry.size_bytes).toBeGreaterThan(1_000_000);
  expect(heard.map(({ payload }) => payload)).toEqual([
    { schema_version: 1, event_type: 'insert', table: 'instances', event_log_id: Number(entry.id) },
  ]);
});

test.each([
  ['one byte a character', 'x', 1],
  ['two', 'é', 2],
  ['three', '€', 3],
  ['four', '😀', 4],
  ['an escape', '"', 2],
])('a payload of exactly 7,500 bytes is notified whole, one byte more is not: %s', async (_, character, width) => {
  const empty = { schema_version: 1, event_type: 'insert', table: 'instances', row_data: { pad: '' } };
  const { rows } = await rig.pool.query<{ bytes: number }>('select octet_length($1::jsonb::text) as bytes', [empty]);
  const room = 7_500 - one(rows).bytes;
  const padOf = (bytes: number): string => character.repeat(bytes / width) + 'x'.repeat(bytes % width);
  const append = (bytes: number) =>
    rig.pool.query(`select append_event('instances_notify', $1, 1, 'insert', 'instances', $2)`, [
      randomUUID(),
      { pad: padOf(bytes) },
    ]);
  await append(room);
  await append(room + 1);
  await untilAllHeard();
  expect(heard.map(({ payload }) => Object.keys(payload).includes('row_data'))).toEqual([true, false]);
  expect(Buffer.byteLength(heard[0]?.text ?? '')).toBe(7_500);
});

test('rows of every size around the limits of 7,500 and 8,000 bytes are written and notified', async () => {
  const sizes = [...range(6_700, 7_500, 20), ...range(7_400, 7_900, 40)];
  const ids: string[] = [];
  for (const size of sizes) ids.push(await rig.insertInstance(randomUUID(), { pad: '€'.repeat(size / 3) }));
  await untilAllHeard();
  expect(heard).toHaveLength(sizes.length);
  const shortened: boolean[] = [];
  for (const [index, id] of ids.entries()) {
    const { size_bytes, notification } = one(await entriesOf(id));
    const { payload } = heard[index] ?? {};
    shortened.push(size_bytes > 7_500);
    expect(payload?.event_log_id !== undefined, `${size_bytes} bytes`).toBe(size_bytes > 7_500);
    expect(payload?.row_data, `${size_bytes} bytes`).toEqual(size_bytes > 7_500 ? undefined : notification.row_data);
  }
  expect(new Set(shortened).size).toBe(2);
});

test('several rows of one transaction are notified one by one, at its commit', async () => {
  const client = await rig.connect();
  await client.query('begin');
  await client.query(
    'insert into instances (agent_id, user_id) select gen_random_uuid(), gen_random_uuid() from generate_series(1, 5)',
  );
  await untilAllHeard();
  expect(heard).toEqual([]);
  await client.query('commit');
  await untilAllHeard();
  expect(new Set(heard.map(({ payload }) => payload.row_data?.['id'])).size).toBe(5);
});

test('a rollback and an update that changes nothing notify nobody', async () => {
  const id = await rig.insertInstance(randomUUID());
  await untilAllHeard();
  heard.splice(0);
  const client = await rig.connect();
  await client.query('begin');
  await client.query('delete from instances where id = $1', [id]);
  await client.query('rollback');
  await rig.pool.query(`update instances set desired_state = 'running' where id = $1`, [id]);
  await untilAllHeard();
  expect(heard).toEqual([]);
});

function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: (to - from) / step + 1 }, (_, index) => from + index * step);
}
