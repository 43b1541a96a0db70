import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { drainHost, forgetHost, listHosts, undrainHost } from '../../../database/hosts/hosts.ts';
import { adoptInstances, leaveHost } from '../../../database/hosts/leases.ts';
import { forgetPlacement, locatePlacement } from '../../../database/hosts/placements.ts';
import { useHostRows } from '../../support/host-rows.ts';

const { openHost, insertInstance, place, lose, database } = useHostRows();
let pool: pg.Pool;
beforeAll(() => {
  pool = database();
});

describe('an instance', () => {
  test('is placed on the host with the fewest instances, and stays there', async () => {
    const hosts = [await openHost(), await openHost()];
    const ids = await Promise.all(Array.from({ length: 10 }, () => insertInstance()));
    const placed = await Promise.all(ids.map((id) => place(id)));
    expect(await Promise.all(ids.map((id) => place(id)))).toEqual(placed);
    expect((await listHosts(pool)).map(({ placed: count }) => count)).toEqual([5, 5]);
    expect(hosts).toHaveLength(2);
  });

  test.for([
    [
      { runtime: 'docker' },
      {},
      'No host runs agents of the kind process: start an agents_worker with the settings that this kind needs.',
    ],
    [
      { labels: { zone: 'a' } },
      { labels: { zone: 'b', disk: 'ssd' } },
      'None of the hosts that run agents of the kind process has the labels disk=ssd,zone=b.',
    ],
    [{ capacity: 0 }, {}, 'All hosts for the agent are full: 1 would fit.'],
  ] as const)('that fits nowhere says why: %j', async ([settings, wish, message]) => {
    await openHost(settings);
    const id = await insertInstance();
    expect(await place(id, wish)).toEqual({ outcome: 'noHost', message });
    expect(await locatePlacement(pool, id)).toEqual({ outcome: 'none' });
  });

  test('is placed on no host that drains, has no worker or has not recorded yet what it keeps', async () => {
    const host = await openHost();
    const id = await insertInstance();
    await drainHost(pool, host.id, 1);
    expect(await place(id)).toEqual({
      outcome: 'noHost',
      message: 'All hosts for the agent are drained: 1 would fit.',
    });
    await undrainHost(pool, host.id);
    await leaveHost(pool, host.id, host.worker.id);
    const unserved = 'No host for the agent is served by a worker now; 1 would fit.';
    expect(await place(id)).toEqual({ outcome: 'noHost', message: unserved });
    await host.renew();
    await pool.query('update hosts set adopted_at = null');
    expect(await place(id)).toEqual({ outcome: 'noHost', message: unserved });
    expect(await host.renew()).toBe('adopt');
    await adoptInstances(pool, host.id, []);
    expect(await place(id)).toEqual({ outcome: 'placed', hostId: host.id });
  });

  test('without a row is placed nowhere', async () => {
    await openHost();
    expect(await place(randomUUID())).toEqual({ outcome: 'gone' });
  });

  test('shows its host in its row and in its next event, and a new host alone is neither a version nor an event', async () => {
    const host = await openHost();
    const id = await insertInstance();
    const version = 'select sequence, generation, updated_at from instances where id = $1';
    const before = await pool.query(version, [id]);
    await place(id);
    expect((await pool.query(version, [id])).rows).toEqual(before.rows);
    await pool.query(`select record_instance_status($1, 'running', 1, null, null)`, [id]);
    await pool.query('delete from instances where id = $1', [id]);
    await forgetPlacement(pool, id, host.id);
    await pool.query('select record_final_status($1, null)', [id]);
    const { rows } = await pool.query<{ type: string; host_id: string | null }>(
      `select notification ->> 'event_type' as type, notification -> 'row_data' ->> 'host_id' as host_id
       from event_log where entity_id = $1 order by sequence`,
      [id],
    );
    expect(rows).toEqual([
      { type: 'insert', host_id: null },
      { type: 'update', host_id: host.id },
      { type: 'delete', host_id: host.id },
      { type: 'update', host_id: null },
    ]);
  });
});

describe('a lost host', () => {
  test('keeps its instances, and gets them back', async () => {
    const host = await openHost();
    await openHost();
    const id = await insertInstance();
    await pool.query('update hosts set draining_since = clock_timestamp() where id <> $1', [host.id]);
    await place(id);
    await pool.query('update hosts set draining_since = null');
    await lose(host.id, 1e6);
    const lost = {
      outcome: 'hostLost',
      hostId: host.id,
      message: expect.stringContaining('waits until the host is back'),
    };
    expect(await place(id)).toEqual(lost);
    expect(await locatePlacement(pool, id)).toEqual(lost);
    await host.renew();
    expect(await place(id)).toEqual({ outcome: 'placed', hostId: host.id });
    expect(await locatePlacement(pool, id)).toEqual({ outcome: 'on', hostId: host.id });
  });

  test('loses an instance with replace_after_seconds to another host, but only after that time', async () => {
    const host = await openHost();
    const id = await insertInstance();
    await place(id, { replaceAfterSeconds: 3_600 });
    const other = await openHost();
    await lose(host.id, 1_800);
    expect(await place(id)).toMatchObject({
      outcome: 'hostLost',
      message: expect.stringContaining('3600 s after that'),
    });
    await lose(host.id, 3_601);
    expect(await place(id)).toEqual({ outcome: 'placed', hostId: other.id, leftHostId: host.id });
    const counts = (await listHosts(pool)).map(({ id: hostId, placed }) => [hostId, placed]);
    expect(Object.fromEntries(counts)).toEqual({ [host.id]: 0, [other.id]: 1 });
  });

  test('keeps an instance where the database took the place of another one, until it could have renewed its lease', async () => {
    const host = await openHost({ leaseSeconds: 3_600 });
    const id = await insertInstance();
    await place(id, { replaceAfterSeconds: 1_800 });
    const other = await openHost();
    await lose(host.id, 86_400);
    // As in a standby that is promoted: the row is of the primary, and so is the lease.
    await pool.query(`update lease_history set identity = 'of the primary'`);
    expect(await place(id)).toMatchObject({ outcome: 'hostLost', hostId: host.id });
    expect(await locatePlacement(pool, id)).toMatchObject({ outcome: 'hostLost', hostId: host.id });
    const age = (seconds: number) =>
      pool.query('update lease_history set since = clock_timestamp() - make_interval(secs => $1)', [seconds]);
    await age(3_600 + 1_700);
    expect(await place(id)).toMatchObject({ outcome: 'hostLost', hostId: host.id });
    await age(3_600 + 1_801);
    expect(await place(id)).toEqual({ outcome: 'placed', hostId: other.id, leftHostId: host.id });
  });

  test('keeps the instance while no other host can take it, and a removal finds nothing', async () => {
    const host = await openHost();
    const id = await insertInstance();
    await place(id, { replaceAfterSeconds: 20 });
    await lose(host.id, 21);
    expect(await place(id)).toMatchObject({ outcome: 'noHost' });
    expect(await locatePlacement(pool, id)).toEqual({ outcome: 'none' });
    expect((await listHosts(pool)).map(({ placed }) => placed)).toEqual([0]);
  });

  test('that cannot end agents by itself never loses one', async () => {
    const host = await openHost({ canFence: false });
    const id = await insertInstance();
    await place(id, { replaceAfterSeconds: 20 });
    await openHost();
    await lose(host.id, 1e6);
    expect(await place(id)).toMatchObject({ outcome: 'hostLost' });
  });

  test('can be forgotten, and then its instances go elsewhere; one that lives cannot', async () => {
    const host = await openHost();
    const [moves, stops] = [await insertInstance(), await insertInstance()];
    await Promise.all([place(moves), place(stops)]);
    expect(await forgetHost(pool, host.id)).toBe('alive');
    const other = await openHost();
    await lose(host.id);
    expect(await forgetHost(pool, host.id)).toBe('forgotten');
    expect(await host.renew()).toBe('forgotten');
    expect(await place(moves)).toEqual({ outcome: 'placed', hostId: other.id, leftHostId: host.id });
    expect(await locatePlacement(pool, stops)).toEqual({ outcome: 'none' });
    expect(await forgetHost(pool, randomUUID())).toBe('gone');
  });
});

test('a host records what it keeps at its registration, unless that is placed elsewhere', async () => {
  const [here, there] = [await openHost(), await openHost({ labels: { zone: 'a' } })];
  const [elsewhere, kept, rowless] = [await insertInstance(), await insertInstance(), randomUUID()];
  await place(elsewhere, { labels: { zone: 'a' } });
  expect(await adoptInstances(pool, here.id, [elsewhere, kept, rowless])).toBe(2);
  expect(await locatePlacement(pool, elsewhere)).toEqual({ outcome: 'on', hostId: there.id });
  expect(await locatePlacement(pool, kept)).toEqual({ outcome: 'on', hostId: here.id });
  expect(await locatePlacement(pool, rowless)).toEqual({ outcome: 'on', hostId: here.id });
});

test('the drain of a host tells how far it is', async () => {
  const host = await openHost();
  const { rows } = await pool.query<{ id: string }>(
    `insert into agents (name, version, runtime) values ('a', '1', '{"kind": "process"}') returning id`,
  );
  const ids = await Promise.all([1, 2, 3].map(() => insertInstance(rows[0]?.id)));
  await Promise.all(ids.map((id) => place(id)));
  await pool.query('insert into moves (instance_id, from_host_id) values ($1, $2)', [ids[0], host.id]);
  expect(await drainHost(pool, host.id, 2)).toMatchObject({ drain: { atOnce: 2, moving: 1, waiting: 2, left: 3 } });
  const other = await openHost();
  expect(await drainHost(pool, host.id, 4)).toMatchObject({ drain: { atOnce: 4, moving: 1, waiting: 0, left: 3 } });
  expect(await undrainHost(pool, host.id)).toMatchObject({
    drain: null,
    workers: [{ id: host.worker.id, build: 'a1' }],
  });
  expect(await drainHost(pool, randomUUID(), 1)).toBeUndefined();
  expect(other.id).not.toBe(host.id);
});
