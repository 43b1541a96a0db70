import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { listHosts } from '../../../database/hosts/hosts.ts';
import { adoptInstances, leaveHost } from '../../../database/hosts/leases.ts';
import { forgetPlacement, locatePlacement, placeInstance } from '../../../database/hosts/placements.ts';
import { useHostRows } from '../../support/host-rows.ts';

/** Of two concurrent transactions, one holds a lock that the other waits for. */

const { openHost, insertInstance, place, record, lose, database } = useHostRows();
let pool: pg.Pool;
let first: pg.PoolClient;
beforeAll(() => {
  pool = database();
});
beforeEach(async () => {
  first = await pool.connect();
  await first.query('begin');
});
afterEach(async () => {
  await first.query('rollback');
  first.release();
});

const wishOf = (instanceId: string) => ({ instanceId, runtime: 'process', labels: {}, replaceAfterSeconds: null });

/** Begins the work and resolves once it waits for the first transaction. */
async function untilItWaits<T>(work: Promise<T>): Promise<{ result: Promise<T> }> {
  work.catch(() => undefined);
  await vi.waitFor(async () => {
    const { rows } = await pool.query(
      'select from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0',
    );
    expect(rows).not.toEqual([]);
  });
  return { result: work };
}

test('an instance that is placed twice at the same time gets one host', async () => {
  await Promise.all([openHost(), openHost()]);
  const id = await insertInstance();
  const placed = await placeInstance(first, wishOf(id));
  const { result } = await untilItWaits(place(id));
  await first.query('commit');
  expect(await result).toEqual(placed);
  expect((await listHosts(pool)).map((host) => host.placed).reduce((sum, count) => sum + count)).toBe(1);
});

test('the last room of a host is given once', async () => {
  const host = await openHost({ capacity: 1 });
  const [one, two] = [await insertInstance(), await insertInstance()];
  expect(await placeInstance(first, wishOf(one))).toEqual({ outcome: 'placed', hostId: host.id });
  const { result } = await untilItWaits(place(two));
  await first.query('commit');
  expect(await result).toMatchObject({ outcome: 'noHost' });
});

test('a hundred placements and removals at once never exceed a capacity, end without a deadlock, and are counted', async () => {
  await Promise.all([openHost({ capacity: 7 }), openHost({ capacity: 3 }), openHost({ capacity: 5 })]);
  const ids = await Promise.all(Array.from({ length: 40 }, () => insertInstance()));
  const overfull = async () =>
    (await pool.query(`select from hosts h where (select count(*) from placements where host_id = h.id) > h.capacity`))
      .rows;
  const lives = ids.map(async (id) => {
    for (let turn = 0; turn < 5; turn += 1) {
      const result = await place(id);
      expect(await overfull()).toEqual([]);
      if (result.outcome === 'placed') await forgetPlacement(pool, id, result.hostId);
    }
    return place(id);
  });
  const outcomes = (await Promise.all(lives)).map(({ outcome }) => outcome);
  expect(outcomes.filter((outcome) => outcome === 'placed')).toHaveLength(15);
  const counts = await pool.query(
    'select placed, (select count(*)::int from placements where host_id = h.id) as real from hosts h',
  );
  expect(counts.rows.map(({ placed }: { placed: number }) => placed).reduce((sum, count) => sum + count)).toBe(15);
  for (const { placed, real } of counts.rows as { placed: number; real: number }[]) expect(placed).toBe(real);
});

test('a worker that leaves while an instance is being placed on its host waits for the placement, and gets no other', async () => {
  const host = await openHost();
  const [one, two] = [await insertInstance(), await insertInstance()];
  expect(await placeInstance(first, wishOf(one))).toEqual({ outcome: 'placed', hostId: host.id });
  const { result } = await untilItWaits(leaveHost(pool, host.id, host.worker.id));
  await first.query('commit');
  await result;
  expect(await place(two)).toMatchObject({ outcome: 'noHost' });
});

test('an instance whose placement waits for a host that its last worker leaves is placed elsewhere', async () => {
  const host = await openHost();
  const id = await insertInstance();
  await leaveHost(first, host.id, host.worker.id);
  const { result } = await untilItWaits(place(id));
  const other = await openHost();
  await first.query('commit');
  expect(await result).toEqual({ outcome: 'placed', hostId: other.id });
});

test('a host that a new worker registers twice at the same time records what it keeps once', async () => {
  const [host, kept] = [await openHost(), await insertInstance()];
  expect(await adoptInstances(first, host.id, [kept])).toBe(1);
  const { result } = await untilItWaits(adoptInstances(pool, host.id, [kept]));
  await first.query('commit');
  expect(await result).toBe(0);
  expect(await listHosts(pool)).toMatchObject([{ placed: 1 }]);
});

test('an instance that another host is being given is not recorded by the one that keeps it', async () => {
  const [given, keeps] = [await openHost(), await openHost({ labels: { old: '1' } })];
  const id = await insertInstance();
  await pool.query('update hosts set draining_since = clock_timestamp() where id = $1', [keeps.id]);
  await placeInstance(first, wishOf(id));
  const { result } = await untilItWaits(adoptInstances(pool, keeps.id, [id]));
  await first.query('commit');
  expect(await result).toBe(0);
  expect(await locatePlacement(pool, id)).toEqual({ outcome: 'on', hostId: given.id });
});

test.for([
  ['place', (id: string) => place(id)],
  ['locate', (id: string) => locatePlacement(pool, id)],
  ['forget', (id: string) => forgetPlacement(pool, id, randomUUID())],
] as const)(
  'while %s waits for a row that a transaction of a user keeps, hosts renew their leases',
  async ([, work]) => {
    const host = await openHost();
    const [kept, other] = [await insertInstance(), await insertInstance()];
    await place(kept);
    await first.query(`update instances set config = '{"a": 1}' where id = $1`, [kept]);
    const { result } = await untilItWaits(work(kept) as Promise<unknown>);
    expect(await host.renew()).toBe('renewed');
    expect(await place(other)).toEqual({ outcome: 'placed', hostId: host.id });
    await first.query('commit');
    await result;
  },
);

test('a status that is recorded while the instance is placed keeps both', async () => {
  const host = await openHost();
  const id = await insertInstance();
  await placeInstance(first, wishOf(id));
  const { result } = await untilItWaits(record(id, 'running'));
  await first.query('commit');
  await result;
  const { rows } = await pool.query('select status, host_id, sequence::int from instances');
  expect(rows).toEqual([{ status: 'running', host_id: host.id, sequence: 2 }]);
});

test('of two transactions that replace a lost host, one does', async () => {
  const lost = await openHost();
  const id = await insertInstance();
  await place(id, { replaceAfterSeconds: 10 });
  const [one, two] = [await openHost(), await openHost()];
  await lose(lost.id, 60);
  const replaced = await placeInstance(first, wishOf(id));
  const { result } = await untilItWaits(place(id));
  await first.query('commit');
  expect(replaced).toMatchObject({ outcome: 'placed', leftHostId: lost.id });
  expect([one.id, two.id].map((hostId) => ({ outcome: 'placed', hostId }))).toContainEqual(await result);
  expect((await listHosts(pool)).map(({ placed }) => placed).reduce((sum, count) => sum + count)).toBe(1);
});
