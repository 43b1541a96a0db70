import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { recordFinalStatus, recordStatus, type NewStatus } from '../../database/instances/status.ts';
import { one, useRig } from '../support/rig.ts';

const rig = useRig();

const reason = { code: 'agent_exited', message: 'It ended with exit code 1.' } as const;

const record = (instanceId: string, input: Partial<NewStatus> = {}) =>
  recordStatus(rig.pool, { instanceId, status: 'running', generation: 1, ...input });

const rowOf = async (id: string) => one((await rig.pool.query('select * from instances where id = $1', [id])).rows);

interface Entry {
  event_type: string;
  row: Record<string, unknown>;
  causation_id: string | null;
  correlation_id: string;
  traceparent: string;
}

async function entriesOf(id: string): Promise<Entry[]> {
  const { rows } = await rig.pool.query<Entry>(
    `select notification ->> 'event_type' as event_type, notification -> 'row_data' as row,
       causation_id, correlation_id, traceparent
     from event_log where entity_id = $1 order by sequence`,
    [id],
  );
  return rows;
}

test('recorded: the row and its event say so, and the answer is the row as it then is', async () => {
  const id = await rig.insertInstance(randomUUID());
  expect(await record(id)).toEqual({
    outcome: 'recorded',
    row: { sequence: 2, generation: 1, desiredState: 'running' },
  });
  expect(await rowOf(id)).toMatchObject({ status: 'running', observed_generation: '1', generation: '1', metadata: {} });
  const [, updated] = await entriesOf(id);
  expect(updated?.row).toMatchObject({ status: 'running', observed_generation: 1, sequence: 2 });
});

test('unchanged: a repeat writes nothing and emits nothing', async () => {
  const id = await rig.insertInstance(randomUUID());
  await record(id, { status: 'failed', reason });
  const before: unknown = await rowOf(id);
  expect(await record(id, { status: 'failed', reason })).toMatchObject({ outcome: 'unchanged', row: { sequence: 2 } });
  expect(await rowOf(id)).toEqual(before);
  expect(await entriesOf(id)).toHaveLength(2);
});

test('superseded: a worker that was suspended does not overwrite the status that another one has recorded since', async () => {
  const id = await rig.insertInstance(randomUUID());
  await record(id, { status: 'running', knownSequence: 1 });
  const late = { status: 'pending', knownSequence: 1 } as const;
  expect(await record(id, late)).toEqual({
    outcome: 'superseded',
    row: { sequence: 2, generation: 1, desiredState: 'running' },
  });
  expect(await rowOf(id)).toMatchObject({ status: 'running' });
  // A change by a user is no status, so that frequent ones keep no status from being recorded.
  await rig.pool.query(`update instances set metadata = '{"a": 1}' where id = $1`, [id]);
  expect(await record(id, { status: 'failed', reason, knownSequence: 2 })).toMatchObject({ outcome: 'recorded' });
  // Whoever repeats its own write is told that it is done.
  expect(await record(id, { status: 'failed', reason, knownSequence: 2 })).toMatchObject({ outcome: 'unchanged' });
  expect(await entriesOf(id)).toHaveLength(4);
});

test('stale: what is said of an older generation does not cover what is known of a newer one', async () => {
  const id = await rig.insertInstance(randomUUID());
  await rig.pool.query(`update instances set config = '{"a": 1}' where id = $1`, [id]);
  await record(id, { generation: 2 });
  expect(await record(id, { status: 'failed', generation: 1, reason })).toEqual({
    outcome: 'stale',
    row: { sequence: 3, generation: 2, desiredState: 'running' },
  });
  expect(await rowOf(id)).toMatchObject({ status: 'running', observed_generation: '2' });
  expect(await entriesOf(id)).toHaveLength(3);
});

test('a status of the generation before the newest is recorded, and the answer tells of the newest', async () => {
  const id = await rig.insertInstance(randomUUID());
  await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [id]);
  expect(await record(id)).toEqual({
    outcome: 'recorded',
    row: { sequence: 3, generation: 2, desiredState: 'stopped' },
  });
});

test('gone: nothing is written for a row that was deleted, or never was', async () => {
  const id = await rig.insertInstance(randomUUID());
  await rig.deleteInstance(id);
  expect(await record(id)).toEqual({ outcome: 'gone' });
  expect(await record(randomUUID())).toEqual({ outcome: 'gone' });
  expect(await entriesOf(id)).toHaveLength(2);
});

test('a reason is kept beside the metadata of others, and goes with the status that it explained', async () => {
  const id = await rig.insertInstance(randomUUID());
  await rig.pool.query(`update instances set metadata = '{"note": "kept"}' where id = $1`, [id]);
  await record(id, { status: 'failed', reason });
  expect(await rowOf(id)).toMatchObject({ metadata: { note: 'kept', status_reason: reason } });
  await record(id, { status: 'running' });
  expect(await rowOf(id)).toMatchObject({ metadata: { note: 'kept' } });
  expect((await rowOf(id)) as object).not.toHaveProperty('metadata.status_reason');
});

test.each([
  ['a NUL character', 'It printed \0 and ended.'],
  ['half of a character', `${'😀'.slice(1)} was its last output.`],
  ['half of a character where it is cut off', 'x'.repeat(3_999) + '😀'],
  ['a megabyte', 'x'.repeat(1_000_000)],
])('a reason with %s is recorded', async (_, message) => {
  const id = await rig.insertInstance(randomUUID());
  const failed = { status: 'failed', reason: { ...reason, message } } as const;
  expect(await record(id, failed)).toMatchObject({ outcome: 'recorded' });
  expect(await record(id, failed)).toMatchObject({ outcome: 'unchanged' });
  expect(await rowOf(id)).toMatchObject({ status: 'failed', metadata: { status_reason: { code: reason.code } } });
});

test('a row whose metadata is full can still be told that it failed', async () => {
  const id = await rig.insertInstance(randomUUID());
  const full = { pad: 'x'.repeat(64 * 1024 - '{"pad": ""}'.length) };
  await rig.pool.query('update instances set metadata = $2 where id = $1', [id, full]);
  expect(await record(id, { status: 'failed', reason })).toMatchObject({ outcome: 'recorded' });
});

test('what a status was caused by is on its event, and not on the next one of the connection', async () => {
  const cause = {
    eventId: randomUUID(),
    correlationId: randomUUID(),
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  };
  const id = await rig.insertInstance(randomUUID());
  await record(id, { cause });
  await record(id, { status: 'failed' });
  const [, first, second] = await entriesOf(id);
  expect(first).toMatchObject({
    causation_id: cause.eventId,
    correlation_id: cause.correlationId,
    traceparent: cause.traceparent,
  });
  expect(second?.causation_id).toBeNull();
  expect(second?.correlation_id).not.toBe(cause.correlationId);
});

test('many that record the same at once write it once', async () => {
  const id = await rig.insertInstance(randomUUID());
  const results = await Promise.all(Array.from({ length: 12 }, () => record(id)));
  expect(results.map(({ outcome }) => outcome).toSorted()).toEqual([
    'recorded',
    ...Array<string>(11).fill('unchanged'),
  ]);
  expect(await entriesOf(id)).toHaveLength(2);
});

test('the final status of a deleted row is written once, however often it is asked for', async () => {
  const id = await rig.insertInstance(randomUUID(), { secret: 'x' });
  await record(id, { status: 'failed', reason });
  await rig.deleteInstance(id);
  const answers = await Promise.all(Array.from({ length: 8 }, () => recordFinalStatus(rig.pool, id)));
  expect(answers).toEqual(Array(8).fill(null));
  const entries = await entriesOf(id);
  expect(entries.map(({ event_type, row }) => [event_type, row['status']])).toEqual([
    ['insert', 'pending'],
    ['update', 'failed'],
    ['delete', 'failed'],
    ['update', 'stopped'],
  ]);
  const final = entries.at(-1)?.row;
  expect(final).toMatchObject({ id, sequence: 4, generation: 1, observed_generation: 1, metadata: {} });
  expect(final).not.toHaveProperty('config');
});

test('no final status is written for a row that is there, came again or never was', async () => {
  const id = await rig.insertInstance(randomUUID());
  expect(await recordFinalStatus(rig.pool, id)).toEqual({ sequence: 1, generation: 1, desiredState: 'running' });
  await rig.deleteInstance(id);
  await rig.pool.query('insert into instances (id, agent_id, user_id) values ($1, $1, $1)', [id]);
  expect(await recordFinalStatus(rig.pool, id)).toMatchObject({ sequence: 3, desiredState: 'running' });
  expect(await entriesOf(id)).toHaveLength(3);

  const never = randomUUID();
  expect(await recordFinalStatus(rig.pool, never)).toBeNull();
  expect(await entriesOf(never)).toEqual([]);
});
