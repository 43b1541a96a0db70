import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { publishExampleAgent } from '../../../stack/example.ts';
import { openEventLog } from '../../support/event-log.ts';

let log: Awaited<ReturnType<typeof openEventLog>>;
beforeAll(async () => {
  log = await openEventLog();
});
afterAll(() => log.close());

test('the example is brought up to date, with the instances that follow it, although its version stayed the same', async () => {
  const id = await publishExampleAgent(log.databaseUrl);
  await publishExampleAgent(log.databaseUrl);
  const readAgent = async () => {
    const { rows } = await log.query<{ version: string; stable: string; runtime: object; sequence: string }>(
      'select version, stable_version as stable, runtime, sequence from agents where id = $1',
      [id],
    );
    return rows[0];
  };
  const first = await readAgent();
  expect(first).toMatchObject({ version: '1.0.0', stable: '1.0.0', sequence: '1' });

  // As another checkout of this repository had published it.
  await log.query('delete from agents where id = $1', [id]);
  await log.query(`insert into agents (id, name, version, runtime) values ($1, 'heartbeat', '1.0.0', '{}')`, [id]);
  const [follows, held] = [randomUUID(), randomUUID()];
  for (const [instance, policy] of [
    [follows, 'follow'],
    [held, 'hold'],
  ]) {
    await log.query('insert into instances (id, agent_id, user_id, version_policy) values ($1, $2, $1, $3)', [
      instance,
      id,
      policy,
    ]);
  }
  for (let time = 1; time <= 2; time += 1) await publishExampleAgent(log.databaseUrl);
  const changed = await readAgent();
  expect(changed?.runtime).toEqual(first?.runtime);
  expect(changed?.version).toMatch(/^1\.0\.0\+[0-9a-f]{8}$/);
  expect(changed?.stable).toBe(changed?.version);
  const { rows } = await log.query(
    'select id, agent_version as version, generation::int from instances where agent_id = $1 order by id',
    [id],
  );
  const expected = [
    { id: follows, version: changed?.version, generation: 2 },
    { id: held, version: '1.0.0', generation: 1 },
  ];
  expect(rows).toEqual(expected.toSorted((a, b) => a.id.localeCompare(b.id)));
});
