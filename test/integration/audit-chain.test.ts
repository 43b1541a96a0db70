import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import pg from 'pg';
import { removeEntries } from '../../backends/admin/audit/retention.ts';
import type { ChainHead } from '../../backends/admin/audit/verify.ts';
import { auditRecord, openAuditLog } from '../support/audit.ts';
import { one } from '../support/rig.ts';

let audit: Awaited<ReturnType<typeof openAuditLog>>;

beforeEach(async () => {
  audit = await openAuditLog();
});
afterEach(() => audit.close());

/** Five entries, the third of an agent: with nulls. */
async function fill(): Promise<ChainHead> {
  const ofAgent = { instance_id: null, user_id: null, causation_id: null, desired_state: null, generation: null, observed_generation: null }; // prettier-ignore
  await audit.append(auditRecord(), auditRecord());
  await audit.append(auditRecord({ ...ofAgent, type: 'agent.published', body: '{"version": "1"}' }));
  await audit.append(auditRecord(), auditRecord());
  const { head, problem } = await audit.verify();
  expect(problem).toBeUndefined();
  return head as ChainHead;
}

/** What somebody does who may do anything, and knows how entries are made. */
const rewriteFrom = (position: number) => `do $$
  declare entry audit_log;
  begin
    for entry in select * from audit_log where position >= ${position} order by position loop
      entry.previous_hash := coalesce((select hash from audit_log where position = entry.position - 1), repeat('0', 64));
      entry.hash := encode(sha256(convert_to(audit_text(entry), 'UTF8')), 'hex');
      update audit_log set previous_hash = entry.previous_hash, hash = entry.hash where position = entry.position;
    end loop;
  end $$`;

test('an empty log is intact, and so is one that was written to', async () => {
  expect(await audit.verify()).toEqual({ entries: 0, firstPosition: null, head: null, problem: undefined });
  const head = await fill();
  expect(await audit.verify(head)).toEqual({ entries: 5, firstPosition: 1, head, problem: undefined });
  await audit.append(auditRecord());
  expect(await audit.verify(head)).toMatchObject({ entries: 6, head: { position: 6 }, problem: undefined });
});

test('an event that is appended again has its entry, in the same call, a later one, or next to new ones', async () => {
  const [first, second, third] = [auditRecord(), auditRecord(), auditRecord()];
  const positions = async (...records: (typeof first)[]) =>
    (await audit.append(...records)).rows.map(({ position }: { position: string }) => Number(position));
  expect(await positions(first, second, first)).toEqual([1, 2, 1]);
  expect(await positions({ ...second, body: '{"other": true}' })).toEqual([2]);
  expect(await positions(first, third, second)).toEqual([1, 3, 2]);
  expect(await audit.verify()).toMatchObject({ entries: 3, problem: undefined });
});

test('of several events none is appended when one is refused', async () => {
  await expect(audit.append(auditRecord(), auditRecord({ occurred_at: '0000-01-01T00:00:00Z' }))).rejects.toThrow('out of range'); // prettier-ignore
  expect(await audit.verify()).toMatchObject({ entries: 0 });
});

test('writers at the same time make one chain without a gap', async () => {
  const clients = await Promise.all(
    [1, 2, 3, 4].map(async () => {
      const client = new pg.Client(audit.databaseUrl);
      await client.connect();
      return client;
    }),
  );
  const shared = auditRecord();
  await Promise.all(
    clients.map(async (client) => {
      for (let count = 0; count < 25; count += 1) {
        await client.query('select append_audit_entries($1)', [JSON.stringify([auditRecord(), shared])]);
      }
      await client.end();
    }),
  );
  expect(await audit.verify()).toMatchObject({ entries: 101, head: { position: 101 }, problem: undefined });
});

describe('whatever is changed is found, at the first place where it is', () => {
  const columns = {
    position: '103',
    event_id: 'gen_random_uuid()',
    type: "'instance.deleted'",
    occurred_at: "occurred_at + interval '1 microsecond'",
    recorded_at: "recorded_at - interval '1 day'",
    instance_id: 'null',
    agent_id: 'gen_random_uuid()',
    user_id: 'agent_id',
    sequence: 'sequence + 1',
    correlation_id: 'gen_random_uuid()',
    causation_id: 'null',
    schema_version: '2',
    desired_state: "'stopped'",
    generation: 'generation + 1',
    observed_generation: 'null',
    body: "body || ' '",
    previous_hash: "repeat('a', 64)",
    hash: "repeat('b', 64)",
  };
  const changed = 'entry 2 was changed: its fields do not give its hash';
  const places: Readonly<Record<string, string>> = {
    position: 'entry 2 is missing',
    previous_hash: 'entry 2 does not follow the one before it: previous_hash is another',
  };

  test('each column', async () => {
    await fill();
    const all = await audit.client.query<{ column_name: string }>(
      `select column_name from information_schema.columns where table_name = 'audit_log'`,
    );
    expect(Object.keys(columns).toSorted()).toEqual(all.rows.map(({ column_name: name }) => name).toSorted());
    for (const [column, value] of Object.entries(columns)) {
      await audit.client.query('create temporary table kept as select * from audit_log where position = 2');
      await audit.tamper(`update audit_log set ${column} = ${value} where position = 2`);
      const { problem } = await audit.verify();
      expect([column, problem]).toEqual([column, { position: 2, message: places[column] ?? changed }]);
      await audit.tamper(
        'delete from audit_log where position in (2, 103)',
        'insert into audit_log select * from kept',
      );
      await audit.client.query('drop table kept');
      expect((await audit.verify()).problem, `${column} is as it was`).toBeUndefined();
    }
  });

  test.each<[string, string[], number, string]>([
    ['an entry in the middle is removed', ['delete from audit_log where position = 3'], 3, 'entry 3 is missing'],
    ['several are removed', ['delete from audit_log where position in (2, 3)'], 2, 'entries 2 to 3 are missing'],
    ['the first is removed', ['delete from audit_log where position = 1'], 1, 'entry 1 is missing'],
    [
      'one is removed and the gap is closed',
      ['delete from audit_log where position = 2', 'update audit_log set position = position - 1 where position > 2'],
      2,
      'does not follow',
    ],
    [
      'a pair is swapped',
      [
        'update audit_log set position = 99 where position = 2',
        'update audit_log set position = 2 where position = 3',
        'update audit_log set position = 3 where position = 99',
      ],
      2,
      'does not follow',
    ],
    [
      'an entry is put in between',
      [
        'update audit_log set position = 99 where position = 5',
        `insert into audit_log select 5, gen_random_uuid(), l.type, occurred_at, recorded_at, instance_id, agent_id, user_id,
           sequence, correlation_id, causation_id, schema_version, desired_state, generation, observed_generation, body,
           previous_hash, hash from audit_log l where position = 99`,
        'update audit_log set position = 6 where position = 99',
      ],
      5,
      'was changed',
    ],
    ['the anchor is moved', ['update audit_anchor set position = 1'], 1, 'the anchor says that it was removed'],
    ['the anchor is another', [`update audit_anchor set hash = repeat('c', 64)`], 1, 'does not follow'],
  ])('%s', async (_, statements, position, words) => {
    await fill();
    await audit.tamper(...statements);
    const { problem, entries, head } = await audit.verify();
    expect(problem).toEqual({ position, message: expect.stringContaining(words) });
    expect([entries, head?.position ?? 0]).toEqual([position - 1, position - 1]);
  });
});

describe('what a chain cannot tell by itself is found with a head that was noted', () => {
  test('its end was cut off', async () => {
    const head = await fill();
    await audit.tamper('delete from audit_log where position >= 4');
    expect((await audit.verify()).problem).toBeUndefined();
    expect((await audit.verify(head)).problem).toEqual({
      position: 4,
      message: 'the audit log ends with entry 3, but entry 5 was noted: its end is missing',
    });
    await audit.append(auditRecord(), auditRecord());
    expect((await audit.verify(head)).problem).toMatchObject({ position: 5, message: expect.stringContaining('anew') });
  });

  test('everything was removed', async () => {
    const head = await fill();
    await audit.tamper('delete from audit_log');
    expect((await audit.verify(head)).problem).toMatchObject({ message: expect.stringContaining('is empty') });
  });

  test('it was computed anew from the changed entry on', async () => {
    const head = await fill();
    await audit.tamper(`update audit_log set body = '{}' where position = 2`, rewriteFrom(2));
    expect((await audit.verify()).problem).toBeUndefined();
    expect((await audit.verify(head)).problem).toEqual({
      position: 5,
      message: 'entry 5 has not the hash that was noted: the chain up to it was written anew',
    });
  });
});

test.each([
  'update audit_log set body = body',
  'update audit_log set body = body where false',
  'delete from audit_log',
  'truncate audit_log',
  'truncate audit_anchor',
  'update audit_anchor set position = 3',
  'delete from audit_anchor',
  "insert into audit_anchor values (false, 1, '')",
])('%s is refused, also to the owner', async (statement) => {
  await fill();
  await expect(audit.client.query(statement)).rejects.toThrow('the audit log is append-only');
  expect(await audit.verify()).toMatchObject({ entries: 5, problem: undefined });
});

describe('retention', () => {
  const pool = () => new pg.Pool({ connectionString: audit.databaseUrl, max: 2 });
  const ages = (...days: number[]) =>
    days.map((age, index) => `update audit_log set recorded_at = now() - interval '${age} days' where position = ${index + 1}`); // prettier-ignore
  const daysAgo = (days: number) => new Date(Date.now() - days * 24 * 60 * 60 * 1000);

  test('removes the oldest, and the rest is a chain that goes on', async () => {
    await fill();
    await audit.tamper(...ages(30, 20, 10, 5, 1), rewriteFrom(1));
    const { head } = await audit.verify();
    const both = [pool(), pool()];
    const removed = await Promise.all(both.map((each) => removeEntries(each, daysAgo(7))));
    expect(removed.toSorted((a, b) => a - b)).toEqual([0, 3]);
    expect(await audit.verify(head ?? undefined)).toEqual({ entries: 2, firstPosition: 4, head, problem: undefined });
    await audit.append(auditRecord());
    expect(await audit.verify()).toMatchObject({ entries: 3, firstPosition: 4, head: { position: 6 } });

    await audit.tamper('delete from audit_log where position = 4');
    expect((await audit.verify()).problem).toEqual({ position: 4, message: 'entry 4 is missing' });
    await Promise.all(both.map((each) => each.end()));
  });

  test('keeps what follows an entry that is to be kept, and what was recorded after it', async () => {
    await fill();
    await audit.tamper(...ages(30, 1, 30, 30, 30), rewriteFrom(1));
    const own = pool();
    expect(await removeEntries(own, daysAgo(7))).toBe(1);
    expect(await audit.verify()).toMatchObject({ entries: 4, firstPosition: 2, problem: undefined });
    await own.end();
  });

  test('may remove everything: the next entry follows the last that was removed', async () => {
    const head = await fill();
    const all = pool();
    expect(await removeEntries(all, new Date(Date.now() + 60_000))).toBe(5);
    expect(await audit.verify(head)).toEqual({ entries: 0, firstPosition: null, head: null, problem: undefined });
    const { rows } = await audit.append(auditRecord());
    expect(one(rows)).toMatchObject({ position: '6' });
    expect(await audit.verify(head)).toMatchObject({ entries: 1, firstPosition: 6, problem: undefined });
    await all.end();
  });

  test('a head that it removed is of no more use, and that is said', async () => {
    await fill();
    const noted = (await audit.verify()).head as ChainHead;
    const early = { ...noted, position: 2 };
    const all = pool();
    await removeEntries(all, new Date(Date.now() + 60_000));
    expect((await audit.verify(early)).problem?.message).toContain('was removed by retention: note a later one');
    await all.end();
  });
});
