import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  beginMove,
  claimFleetWatch,
  endMoves,
  findFreed,
  findMoving,
  findOnLostHosts,
  findOnReturnedHosts,
  findReplaceable,
  removeForgottenHosts,
} from '../../../database/hosts/fleet.ts';
import { drainHost, forgetHost, listHosts, undrainHost } from '../../../database/hosts/hosts.ts';
import { forgetPlacement, locatePlacement } from '../../../database/hosts/placements.ts';
import { useHostRows } from '../../support/host-rows.ts';

const { openHost, publishAgent, insertInstance, place, record, lose, database } = useHostRows();
let pool: pg.Pool;
beforeAll(() => {
  pool = database();
});

/** As if the workflows had had the time to act upon what they were told. */
const forgetTellings = () => pool.query(`update placements set told_at = told_at - interval '1 minute'`);
const idsOf = (findings: { instanceId: string }[]) => findings.map(({ instanceId }) => instanceId);

describe('instances of a lost host', () => {
  test('are told so until their rows say it, and told when the host is back', async () => {
    const host = await openHost();
    const id = await insertInstance();
    await place(id);
    expect(await findOnLostHosts(pool)).toEqual([]);
    await lose(host.id);
    expect(await findOnLostHosts(pool)).toMatchObject([
      { instanceId: id, hostId: host.id, hostName: 'anna', userId: id },
    ]);
    expect(await findOnLostHosts(pool)).toEqual([]);
    await forgetTellings();
    expect(idsOf(await findOnLostHosts(pool))).toEqual([id]);
    await record(id, 'pending', 'host_lost');
    await forgetTellings();
    expect(await findOnLostHosts(pool)).toEqual([]);
    expect(await findOnReturnedHosts(pool)).toEqual([]);
    await host.renew();
    expect(idsOf(await findOnReturnedHosts(pool))).toEqual([id]);
    await record(id, 'running');
    await forgetTellings();
    expect(await findOnReturnedHosts(pool)).toEqual([]);
  });

  test('that were removed there before it was lost are told that they wait for nothing', async () => {
    const host = await openHost();
    const [freed, waits] = [await insertInstance(), await insertInstance()];
    for (const id of [freed, waits]) await place(id);
    await lose(host.id);
    for (const id of [freed, waits]) await record(id, 'pending', 'host_lost');
    await forgetPlacement(pool, freed, host.id);
    expect(await findFreed(pool)).toEqual([]);
    // As if the rows had been written a while ago, which the triggers would not allow to say.
    await pool.query(
      `begin; set local session_replication_role = replica;
       update instances set updated_at = updated_at - interval '1 minute'; commit`,
    );
    expect(await findFreed(pool)).toEqual([freed]);
  });

  test('without a row wait for the host, too', async () => {
    const host = await openHost();
    const id = await insertInstance();
    await place(id);
    await pool.query('delete from instances');
    await forgetTellings();
    expect(await findOnReturnedHosts(pool)).toEqual([]);
    await lose(host.id);
    expect(await locatePlacement(pool, id)).toMatchObject({ outcome: 'hostLost' });
    await host.renew();
    expect(await findOnReturnedHosts(pool)).toMatchObject([{ instanceId: id, agentId: null, userId: null }]);
  });

  test('are told when they may be replaced, unless they know that no other host fits', async () => {
    const host = await openHost();
    const [waits, goes] = [await insertInstance(), await insertInstance()];
    await place(waits);
    await place(goes, { replaceAfterSeconds: 3_600 });
    await lose(host.id, 1_800);
    expect(await findReplaceable(pool)).toEqual([]);
    await lose(host.id, 3_601);
    expect(idsOf(await findReplaceable(pool))).toEqual([goes]);
    expect(idsOf(await findOnLostHosts(pool))).toEqual([waits]);
    await record(goes, 'pending', 'no_host');
    await forgetTellings();
    expect(await findReplaceable(pool)).toEqual([]);
    await forgetHost(pool, host.id);
    expect(idsOf(await findReplaceable(pool))).toEqual([waits]);
  });
});

test('a forgotten host is removed once nothing is placed on it', async () => {
  const host = await openHost();
  const id = await insertInstance();
  await place(id);
  await lose(host.id);
  await forgetHost(pool, host.id);
  expect(await removeForgottenHosts(pool)).toEqual([]);
  await locatePlacement(pool, id);
  expect(await removeForgottenHosts(pool)).toEqual([{ id: host.id, name: 'anna' }]);
  expect(await listHosts(pool)).toEqual([]);
});

describe('a drain', () => {
  const running = async (agentId: string) => {
    const id = await insertInstance(agentId);
    await place(id);
    await record(id, 'running');
    return id;
  };
  /** As the workflow does it, up to the placement on another host. */
  const moveAway = async (id: string, from: string) => {
    await record(id, 'pending', 'moving');
    await forgetPlacement(pool, id, from);
    return place(id);
  };

  test('moves so many at once, and the next one when one of them runs elsewhere', async () => {
    const host = await openHost();
    const agent = await publishAgent();
    const ids = [await running(agent), await running(agent), await running(agent)];
    const other = await openHost();
    await drainHost(pool, host.id, 2);
    expect([await beginMove(pool), await beginMove(pool), await beginMove(pool)]).toEqual([true, true, false]);
    expect(idsOf(await findMoving(pool)).toSorted()).toEqual(ids.slice(0, 2).toSorted());
    const [first = '', second = ''] = ids;
    expect(await moveAway(first, host.id)).toEqual({ outcome: 'placed', hostId: other.id });
    await endMoves(pool);
    expect(await beginMove(pool)).toBe(false);
    await record(first, 'running');
    await endMoves(pool);
    expect(await beginMove(pool)).toBe(true);
    await moveAway(second, host.id);
    await undrainHost(pool, host.id);
    await endMoves(pool);
    expect((await pool.query('select from moves')).rows).toEqual([]);
    expect(await beginMove(pool)).toBe(false);
  });

  test('moves nothing that no other host can take, and no more than there is room for', async () => {
    const host = await openHost({ labels: { disk: 'ssd', zone: 'a' } });
    const [plain, special] = [await publishAgent(), await publishAgent({ host_labels: { disk: 'ssd' } })];
    const [first, second] = [await running(plain), await running(plain)];
    const stays = await running(special);
    await openHost({ capacity: 1, name: 'bert' });
    await drainHost(pool, host.id, 10);
    expect([await beginMove(pool), await beginMove(pool)]).toEqual([true, false]);
    expect(idsOf(await findMoving(pool))).toEqual([first]);
    expect(await listHosts(pool)).toMatchObject([{ drain: { moving: 1, waiting: 1, left: 3 } }, { drain: null }]);
    await openHost({ labels: { disk: 'ssd' } });
    expect([await beginMove(pool), await beginMove(pool), await beginMove(pool)]).toEqual([true, true, false]);
    await forgetTellings();
    expect(idsOf(await findMoving(pool)).toSorted()).toEqual([first, second, stays].toSorted());
  });

  test('leaves alone what is stopped anyway, and a host that is lost', async () => {
    const host = await openHost();
    const agent = await publishAgent();
    const id = await running(agent);
    await openHost();
    await drainHost(pool, host.id, 1);
    await lose(host.id);
    expect(await beginMove(pool)).toBe(false);
    await host.renew();
    await pool.query(`update instances set desired_state = 'stopped' where id = $1`, [id]);
    expect(await beginMove(pool)).toBe(false);
  });
});

test('one worker at a time watches the hosts, until it ends or gives no sign of life', async () => {
  const [first, second] = [randomUUID(), randomUUID()];
  expect(await claimFleetWatch(pool, first, 60)).toBe(true);
  expect(await claimFleetWatch(pool, second, 60)).toBe(false);
  expect(await claimFleetWatch(pool, first, 60)).toBe(true);
  expect(await claimFleetWatch(pool, second, 0)).toBe(false);
  await claimFleetWatch(pool, first, 0);
  expect(await claimFleetWatch(pool, second, 0.001)).toBe(true);
  await pool.query('select pg_sleep(0.01)');
  expect(await claimFleetWatch(pool, first, 60)).toBe(true);
});
