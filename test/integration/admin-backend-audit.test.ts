import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ServiceName } from '../../contracts/names.ts';
import { useAdminBackend } from '../support/admin-backend.ts';
import { auditRecord } from '../support/audit.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig();
const admin = useAdminBackend(rig);

const [instance, agent, user] = [randomUUID(), randomUUID(), randomUUID()];
const ofAgent = { instance_id: null, user_id: null, desired_state: null, generation: null, observed_generation: null };
const records = [
  auditRecord({ instance_id: instance, agent_id: agent, type: 'instance.created' }),
  auditRecord({ instance_id: instance, agent_id: agent, user_id: user }),
  auditRecord({ user_id: user, occurred_at: '2025-01-02T00:00:00Z' }),
  auditRecord({ ...ofAgent, agent_id: agent, type: 'agent.retired', occurred_at: '2025-01-03T00:00:00Z' }),
  auditRecord({ occurred_at: '2025-01-04T12:00:00Z', causation_id: null, body: '{"status": "stopped"}' }),
];

beforeAll(async () => {
  await rig.pool.query('select append_audit_entries($1)', [JSON.stringify(records)]);
});

interface Page {
  entries: { position: number; hash: string }[];
  next_cursor: string | null;
}

async function search(query: Record<string, string>): Promise<Page> {
  const { status, body } = await admin.call<Page>(`/v1/audit?${new URLSearchParams(query).toString()}`);
  expect([status, body]).toEqual([200, expect.anything()]);
  return body;
}

const positionsOf = ({ entries }: Page) => entries.map(({ position }) => position);

test('an entry says all that was recorded', async () => {
  const { entries } = await search({ limit: '1' });
  const { occurred_at: time, body, ...record } = records[4] as (typeof records)[number];
  expect(entries).toEqual([
    {
      ...record,
      position: 5,
      time: new Date(time).toISOString(),
      body: JSON.parse(body),
      recorded_at: expect.stringMatching(/Z$/),
      hash: expect.stringMatching(/^[\da-f]{64}$/),
    },
  ]);
});

describe('entries are found, the newest first,', () => {
  test.each<[string, Record<string, string>, number[]]>([
    ['all', {}, [5, 4, 3, 2, 1]],
    ['by instance', { instance_id: instance }, [2, 1]],
    ['by agent', { agent_id: agent }, [4, 2, 1]],
    ['by user', { user_id: user.toUpperCase() }, [3, 2]],
    ['by type', { type: 'instance.updated' }, [5, 3, 2]],
    ['by the time from which on', { from: '2025-01-03T00:00:00Z' }, [5, 4]],
    ['by the time before which', { to: '2025-01-03T00:00:00Z' }, [3, 2, 1]],
    ['by a time with an offset', { from: '2025-01-02T01:00:00+01:00', to: '2025-01-03T01:00:00+01:00' }, [3]],
    ['by several', { user_id: user, instance_id: instance }, [2]],
    ['by what nothing fits', { type: 'instance.paused' }, []],
  ])('%s', async (_, query, positions) => {
    const page = await search(query);
    expect(positionsOf(page)).toEqual(positions);
    expect(page.next_cursor).toBeNull();
  });

  test('page by page, each entry once', async () => {
    const positions: number[][] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await search({ limit: '2', ...(cursor !== undefined && { cursor }) });
      positions.push(positionsOf(page));
      cursor = page.next_cursor;
    }
    expect(positions).toEqual([[5, 4], [3, 2], [1]]);
    const first = await search({ limit: '1', type: 'instance.updated' });
    const next = await search({ limit: '1', type: 'instance.updated', cursor: String(first.next_cursor) });
    expect([positionsOf(first), positionsOf(next)]).toEqual([[5], [3]]);
  });
});

test.each([
  ['instance_id=me', 'querystring.instance_id'],
  ['from=yesterday', 'querystring.from'],
  ['limit=1000', 'querystring.limit'],
  ['cursor=abc', 'querystring.cursor'],
  ['instance=1', 'querystring'],
])('%s is refused', async (query, path) => {
  const { status, body } = await admin.call<{ errors: { path: string }[] }>(`/v1/audit?${query}`);
  expect([status, body.errors.map((error) => error.path)]).toEqual([400, [path]]);
});

test('the services may do with the log no more than they need', async () => {
  const refusedAs = async (service: ServiceName, statement: string): Promise<void> => {
    const client = new pg.Client(rig.environmentOf(service).DATABASE_URL);
    await client.connect();
    await expect(client.query(statement), `${service}: ${statement}`).rejects.toThrow('permission denied');
    await client.end();
  };
  for (const statement of [
    'insert into audit_log select * from audit_log',
    "update audit_log set body = ''",
    "set audit_log.removes = 'on'; delete from audit_log",
    "set audit_log.removes = 'on'; update audit_anchor set position = 5",
    'delete from audit_anchor',
    'truncate audit_log',
  ]) {
    await refusedAs('admin_backend', statement);
  }
  for (const statement of [
    'select from audit_log',
    `select append_audit_entries('[]')`,
    'select remove_audit_entries(now(), 1)',
  ]) {
    await refusedAs('user_backend', statement);
  }
});

test('the verification says that the log is intact, what its head is, and what is wrong', async () => {
  const verify = (expect_ = '') => admin.call(`/v1/audit/verification${expect_ && `?expect=${expect_}`}`);
  const { entries } = await search({ limit: '1' });
  const intact = await verify();
  const head = { entries: 5, first_position: 1, last_position: 5, head_hash: entries[0]?.hash };
  expect(intact).toMatchObject({ status: 200, body: { intact: true, ...head, problem: null } });
  expect((await verify(`5:${entries[0]?.hash}`)).body).toMatchObject({ intact: true });
  expect((await verify(`6:${entries[0]?.hash}`)).body).toMatchObject({
    intact: false,
    problem: expect.stringContaining('its end is missing'),
  });
  expect((await verify('5')).status).toBe(400);

  const owner = await rig.connect();
  await owner.query('set session_replication_role = replica');
  await owner.query(`update audit_log set body = 'not JSON' where position = 3`);
  expect((await verify()).body).toEqual({
    intact: false,
    entries: 2,
    first_position: 1,
    last_position: 2,
    head_hash: expect.any(String),
    problem: 'entry 3 was changed: its fields do not give its hash',
    notice: null,
  });
  const { entries: found } = await search({ user_id: user });
  expect(found[0]).toMatchObject({ position: 3, body: 'not JSON' });
});
