import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditRecord, openAuditLog } from '../support/audit.ts';
import { runInstances } from '../support/command-line.ts';

let audit: Awaited<ReturnType<typeof openAuditLog>>;
const [instance, agent, user] = [randomUUID(), randomUUID(), randomUUID()];

beforeAll(async () => {
  audit = await openAuditLog();
});
afterAll(() => audit.close());

/** PostgreSQL is all that these commands need. */
const run = (...args: string[]) => runInstances(['audit', ...args], { DATABASE_URL: audit.databaseUrl });

async function positions(...args: string[]): Promise<number[]> {
  const { out } = await run('list', '--json', ...args);
  return (JSON.parse(out) as { position: number }[]).map(({ position }) => position);
}

async function headOf(): Promise<string> {
  const { out } = await run('verify');
  return /--expect: (\d+:[\da-f]{64})$/m.exec(out)?.[1] ?? '';
}

test('an empty log is empty, and intact', async () => {
  expect(await run('list')).toEqual({ code: 0, out: '', errors: 'No entry fits.\n' });
  expect(await run('verify')).toEqual({ code: 0, out: 'The audit log is empty.\n', errors: '' });
});

test('entries are listed by each filter, in words and as JSON', async () => {
  await audit.client.query(`insert into agents (id, name, version, runtime) values ($1, 'echo', '1', '{}')`, [agent]);
  const ofAgent = { instance_id: null, user_id: null, desired_state: null, generation: null, observed_generation: null }; // prettier-ignore
  await audit.append(
    auditRecord({ ...ofAgent, type: 'agent.published', agent_id: agent, sequence: 1, body: '{"name": "echo", "version": "1"}' }), // prettier-ignore
    auditRecord({ instance_id: instance, agent_id: agent, user_id: user, body: '{"status": "running"}' }),
    auditRecord({ occurred_at: '2025-01-02T00:00:00Z', type: 'instance.deleted', user_id: user, body: '{}' }),
    auditRecord({ occurred_at: '2025-01-03T00:00:00Z', type: 'instance.paused', body: '{"by": "\\u001b[31mme"}' }),
  );
  expect(await positions()).toEqual([4, 3, 2, 1]);
  expect(await positions('--instance', instance.slice(0, 8))).toEqual([2]);
  expect(await positions('--instance', instance.toUpperCase())).toEqual([2]);
  expect(await positions('--agent', 'echo')).toEqual([2, 1]);
  expect(await positions('--agent', agent)).toEqual([2, 1]);
  expect(await positions('--user', user)).toEqual([3, 2]);
  expect(await positions('--type', 'instance.deleted')).toEqual([3]);
  expect(await positions('--from', '2025-01-02', '--to', '2025-01-03T00:00:00Z')).toEqual([3]);

  const { out, errors } = await run('list', '--utc', '--limit', '3');
  expect(errors).toContain('There are more than these 3');
  const lines = out.trim().split('\n');
  expect(lines[0]).toMatch(/^POSITION +TIME +TYPE +SUBJECT +SAYS$/);
  expect(lines[1]).toMatch(/^4 +2025-01-03T00:00:00\.000Z +instance\.paused +[\da-f-]{36} +\{"by":"\\u001b\[31mme"\}$/);
  expect(lines[3]).toMatch(
    new RegExp(`instance\\.updated +${instance} +#2 running, generation 1 of 1, wanted running$`),
  );
});

test('verify prints a head, and with it finds what was cut off later', async () => {
  const { out } = await run('verify');
  expect(out).toMatch(/^The audit log is intact: 4 entries, 1 to 4\.\nIts head, for --expect: 4:[\da-f]{64}\n$/);
  const head = await headOf();
  expect(await run('verify', '--expect', head)).toMatchObject({ code: 0, errors: '' });
  expect(JSON.parse((await run('verify', '--json', '--expect', head)).out)).toEqual({
    intact: true,
    entries: 4,
    first_position: 1,
    head: { position: 4, hash: head.slice(2) },
    problem: null,
  });

  await audit.tamper('delete from audit_log where position = 4');
  expect(await run('verify')).toMatchObject({ code: 0 });
  expect(await run('verify', '--expect', head)).toEqual({
    code: 1,
    out: '',
    errors:
      'The audit log is not intact at position 4: the audit log ends with entry 3, but entry 4 was noted: its end is ' +
      'missing. Up to entry 3 it is as it was written.\n',
  });
});

test('verify names the first entry that was changed, and ends with exit code 1', async () => {
  await audit.tamper(`update audit_log set user_id = gen_random_uuid() where position in (2, 3)`);
  expect(await run('verify')).toMatchObject({
    code: 1,
    errors: expect.stringContaining('not intact at position 2: entry 2 was changed'),
  });
  const json = await run('verify', '--json');
  expect([json.code, JSON.parse(json.out)]).toMatchObject([
    1,
    { intact: false, entries: 1, head: { position: 1 }, problem: { position: 2 } },
  ]);
});

test.each([
  [['verify', '--expect', '4'], 'as verify prints it'],
  [['list', '--from', 'yesterday'], 'It must be a time such as'],
  [['list', '--instance', 'me'], 'An id is a UUID'],
])('%s is wrong usage', async (args, words) => {
  expect(await run(...args)).toMatchObject({ code: 2, errors: expect.stringContaining(words) });
});

test('a database without the log says what to do', async () => {
  await audit.client.query('alter table audit_log rename to audit_log_before');
  expect(await run('verify')).toMatchObject({ code: 1, errors: expect.stringContaining('run npm run migrate') });
});
