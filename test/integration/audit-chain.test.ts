import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { removeEntries, startRetention } from '../../backends/admin/audit/retention.ts';
import type { ChainHead } from '../../backends/admin/audit/verify.ts';
import { auditRecord, openAuditLog } from '../support/audit.ts';
import { one } from '../support/rig.ts';
import { openTestPool } from '../support/test-pool.ts';

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
  expect(await positions(first, third, second)).toEqual([1, 3, 2]);
  expect(await audit.verify()).toMatchObject({ entries: 3, problem: undefined });
});

test.each([
  ['body', { body: '{"other": true}' }],
  ['type', { type: 'instance.deleted' }],
  ['user', { user_id: randomUUID() }],
  ['time', { occurred_at: '2026-01-01T00:00:00Z' }],
  ['generation', { generation: 999 }],
])('an id that comes again with another %s is on record once, next to what it said first', async (_what, change) => {
  const [first, second] = [auditRecord(), auditRecord()];
  await audit.append(first, second);
  const differing = { ...first, ...change };
  await audit.append(differing, second);
  await audit.append(differing);
  const { rows } = await audit.client.query<{ position: string; body: string }>(
    `select position, body from audit_log where type = 'audit_log.event_differs'`,
  );
  const { position, body } = one(rows);
  expect(position).toBe('3');
  const { type, body: said } = { ...first, ...change };
  expect(JSON.parse(body)).toEqual({ position: 1, event_id: first.event_id, type, body: said });
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
  const pools: pg.Pool[] = [];
  const pool = (): pg.Pool => {
    const own = openTestPool({ connectionString: audit.databaseUrl, max: 2 });
    pools.push(own);
    return own;
  };
  afterEach(() => Promise.all(pools.splice(0).map((own) => own.end())));
  const ages = (...days: number[]) =>
    days.map((age, index) => `update audit_log set recorded_at = now() - interval '${age} days' where position = ${index + 1}`); // prettier-ignore
  const daysAgo = (days: number) => new Date(Date.now() - days * 24 * 60 * 60 * 1000);
  const keep = (days: number) => audit.client.query('update audit_retention set minimum_days = $1', [days]);
  const removals = async () => {
    const { rows } = await audit.client.query<{ position: string; body: string }>(
      `select position, body from audit_log where type = 'audit_log.entries_removed' order by position`,
    );
    return rows.map(({ position, body }) => ({ position: Number(position), ...(JSON.parse(body) as object) }));
  };

  test('removes the oldest, and the rest is a chain that goes on, in which that is said', async () => {
    await fill();
    await audit.tamper(...ages(60, 50, 40, 5, 1), rewriteFrom(1));
    const { head } = await audit.verify();
    const both = [pool(), pool()];
    const removed = await Promise.all(both.map((each) => removeEntries(each, daysAgo(35))));
    expect(removed.toSorted((a, b) => a - b)).toEqual([0, 3]);
    expect(await removals()).toMatchObject([
      { position: 6, up_to_position: 3, hash: expect.any(String), by: 'postgres' },
    ]);
    expect(await audit.verify(head ?? undefined)).toMatchObject({ entries: 3, firstPosition: 4, problem: undefined });
    await audit.append(auditRecord());
    expect(await audit.verify()).toMatchObject({ entries: 4, firstPosition: 4, head: { position: 7 } });

    await audit.tamper('delete from audit_log where position = 4');
    expect((await audit.verify()).problem).toEqual({ position: 4, message: 'entry 4 is missing' });
  });

  test('keeps what follows an entry that is to be kept, and what was recorded after it', async () => {
    await fill();
    await audit.tamper(...ages(60, 1, 60, 60, 60), rewriteFrom(1));
    expect(await removeEntries(pool(), daysAgo(35))).toBe(1);
    expect(await audit.verify()).toMatchObject({ entries: 5, firstPosition: 2, problem: undefined });
  });

  test('may remove everything that is old enough: the entry that says so follows the last that was removed', async () => {
    await fill();
    await audit.tamper(...ages(60, 60, 60, 60, 60), rewriteFrom(1));
    const { head } = await audit.verify();
    expect(await removeEntries(pool(), daysAgo(35))).toBe(5);
    expect(await audit.verify(head ?? undefined)).toMatchObject({
      entries: 1,
      firstPosition: 6,
      head: { position: 6 },
      problem: undefined,
    });
    const { rows } = await audit.append(auditRecord());
    expect(one(rows)).toMatchObject({ position: '7' });
    expect(await audit.verify(head ?? undefined)).toMatchObject({ entries: 2, firstPosition: 6, problem: undefined });
  });

  test('goes on over records of earlier removals', async () => {
    await fill();
    await audit.tamper(...ages(60, 50, 40, 35, 34), rewriteFrom(1));
    const own = pool();
    for (const days of [55, 45, 38]) expect(await removeEntries(own, daysAgo(days))).toBe(1);
    expect(await audit.verify()).toMatchObject({ entries: 5, firstPosition: 4, problem: undefined });
    await audit.tamper(`update audit_log set recorded_at = now() - interval '90 days'`, rewriteFrom(4));
    expect(await removeEntries(own, daysAgo(38))).toBe(5);
    expect(await removals()).toMatchObject([{ position: 9, up_to_position: 8 }]);
    expect(await audit.verify()).toMatchObject({ entries: 1, firstPosition: 9, problem: undefined });
  });

  test('of an earlier head that it removed it is said that it cannot be compared any more', async () => {
    await fill();
    await audit.tamper(...ages(60, 60, 60, 60, 60), rewriteFrom(1));
    await removeEntries(pool(), daysAgo(35));
    const { problem, notice } = await audit.verify({ position: 2, hash: 'a'.repeat(64) });
    expect(problem).toBeUndefined();
    expect(notice).toBe(
      'Entry 2, which was noted, was removed by retention, which entry 6 says: it cannot be compared any more. Note a later one.',
    );
  });

  test.each([
    ['infinity', 5],
    ['9999-01-01', 5],
    ['2000-01-01', 5],
    ['-infinity', 5],
    ['infinity', 2_147_483_647],
  ])('removes nothing that is younger than its owner says: before %s, at most %i', async (before, limit) => {
    const head = await fill();
    await audit.tamper(...ages(29, 29, 29, 29, 29), rewriteFrom(1));
    const { rows } = await audit.client.query('select remove_audit_entries($1, $2) as removed', [before, limit]);
    expect(rows).toEqual([{ removed: 0 }]);
    expect(await audit.verify()).toMatchObject({ entries: 5, problem: undefined, head: { position: head.position } });
  });

  test.each([
    ['null', '5'],
    [`'infinity'`, 'null'],
    [`'infinity'`, '0'],
    [`'infinity'`, '-1'],
  ])('takes no such arguments: %s, %s', async (before, limit) => {
    await fill();
    await keep(0);
    await expect(audit.client.query(`select remove_audit_entries(${before}, ${limit})`)).rejects.toMatchObject({
      code: '22023',
    });
    expect(await audit.verify()).toMatchObject({ entries: 5 });
  });

  test('removes no more at once than it was told', async () => {
    await fill();
    await keep(0);
    await audit.client.query(`select remove_audit_entries('infinity', 2)`);
    expect(await audit.verify()).toMatchObject({ entries: 4, firstPosition: 3, problem: undefined });
  });

  test('a service cannot change for how long entries are kept, nor what was removed', async () => {
    await fill();
    const login = `login_${randomUUID().replaceAll('-', '')}`;
    await audit.client.query(`create role ${login} login password 'x' in role admin_backend`);
    const service = new pg.Client(Object.assign(new URL(audit.databaseUrl), { username: login, password: 'x' }).href);
    await service.connect();
    try {
      await service.query(`set timezone = 'Pacific/Kiritimati'`);
      await service.query(`set audit_log.removes = 'on'`);
      await service
        .query('create temporary table audit_retention as select true as only_row, 0 as minimum_days')
        .catch(() => undefined);
      const { rows } = await service.query(`select remove_audit_entries('infinity', 1000) as removed`);
      expect(rows).toEqual([{ removed: 0 }]);
      for (const statement of [
        'update public.audit_retention set minimum_days = 0',
        'insert into public.audit_retention values (true, 0)',
        'delete from public.audit_retention',
        'truncate public.audit_retention',
        'alter table public.audit_retention disable trigger all',
        'delete from audit_log',
        'update audit_anchor set position = 5',
        `select record_audit_removal(5, '')`,
        'select lock_audit_head()',
        `select append_audit_entry(null, null)`,
      ]) {
        await expect(service.query(statement)).rejects.toMatchObject({ code: '42501' });
      }
    } finally {
      await service.end();
      await audit.client.query(`drop role ${login}`);
    }
  });

  test('an event of the bus cannot pass for the record of a removal', async () => {
    await fill();
    for (const type of ['audit_log.entries_removed', 'audit_log.other']) {
      await expect(audit.append(auditRecord(), auditRecord({ type }))).rejects.toMatchObject({ code: '23514' });
    }
    expect(await audit.verify()).toMatchObject({ entries: 5 });
  });

  test.each([
    ['all of it', 5],
    ['its beginning', 2],
  ])('what the anchor alone says is no record: %s', async (_, position) => {
    const head = await fill();
    await audit.tamper(
      `update audit_anchor set (position, hash) = (select position, hash from audit_log where position = ${position})`,
      `delete from audit_log where position <= ${position}`,
    );
    const { problem } = await audit.verify(head);
    expect(problem).toEqual({
      position,
      message: `entries up to ${position} are missing, and no entry says that they were removed`,
    });
    expect((await audit.verify()).problem).toEqual(problem);
  });

  test('entries that a later removal hides behind the record of an earlier one are missed', async () => {
    await fill();
    await audit.tamper(...ages(60, 50, 40, 5, 1), rewriteFrom(1));
    await removeEntries(pool(), daysAgo(45));
    await audit.tamper(
      'update audit_anchor set (position, hash) = (select position, hash from audit_log where position = 4)',
      'delete from audit_log where position <= 4',
    );
    expect((await audit.verify()).problem?.message).toContain('no entry says that they were removed');
  });

  test('where the service is told to keep entries for less than their owner wants, that is logged', async () => {
    await fill();
    const lines: string[] = [];
    const retention = startRetention({
      pool: pool(),
      days: 7,
      logger: pino({}, { write: (line: string) => void lines.push(line) }),
      onFatal: (error) => lines.push(error.message),
    });
    await vi.waitUntil(() => retention.health.ready);
    await retention.stop();
    expect(lines.join()).toContain('AUDIT_RETENTION_DAYS is less than audit_retention.minimum_days');
    expect(await audit.verify()).toMatchObject({ entries: 5 });
  });
});
