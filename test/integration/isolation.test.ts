import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { useUserBackend, type UserApi } from '../support/backends.ts';
import { openReplica, type Replica } from '../support/live.ts';
import { useRig } from '../support/rig.ts';

/** What a user reads never holds what was another user's, also where both had an instance of one id, one after the other. */

const rig = useRig({ services: ['event_broker', 'agents_worker'] });
const backend = useUserBackend(rig);
let replica: Replica;
let agentId: string;
beforeAll(async () => {
  replica = await openReplica(rig);
  agentId = await rig.publishAgent();
});
afterAll(() => replica?.close());

const secret = 'only-of-the-first-user';
const insert = async (id: string, userId: string, note: string): Promise<void> => {
  await rig.pool.query('insert into instances (id, agent_id, user_id, metadata) values ($1, $2, $3, $4)', [
    id,
    agentId,
    userId,
    { [note]: note },
  ]);
};
const rename = (id: string, note: string) =>
  rig.pool.query('update instances set metadata = metadata || $2 where id = $1', [id, { [note]: note }]);
const untilCleanedUp = (id: string, times: number) =>
  vi.waitFor(
    async () => {
      const { rows } = await rig.pool.query(
        `select from event_log where entity_id = $1 and notification -> 'row_data' ->> 'status' = 'stopped'`,
        [id],
      );
      expect(rows).toHaveLength(times);
    },
    { timeout: 30_000 },
  );
/** The first user's instance, which ran and was deleted; then the second user's of the same id. */
async function reuse() {
  const [first, second] = [await backend.user(), await backend.user()];
  const id = randomUUID();
  await insert(id, first.userId, secret);
  await vi.waitUntil(async () => (await rig.processes(id)).length === 1, { timeout: 30_000 });
  await rename(id, `${secret}-2`);
  await rig.deleteInstance(id);
  await untilCleanedUp(id, 1);
  await insert(id, second.userId, 'second');
  return { id, first, second };
}

interface Explained {
  timeline: { source: string; text: string; time: string | null }[];
  earlier_lines: number;
}
const timelineOf = async (api: UserApi, id: string) =>
  (await api('GET', `/v1/instances/${id}/timeline?last=1000`)).body as unknown as Explained;

describe('an id that was used again by another user', () => {
  test('gives each reader what is theirs', async () => {
    const { id, first, second } = await reuse();
    const path = `/v1/instances/${id}`;
    await vi.waitFor(async () => expect((await second.api('GET', path)).body).toMatchObject({ status: 'running' }), {
      timeout: 30_000,
    });

    expect(await first.api('GET', path)).toMatchObject({ status: 404 });
    expect(await first.api('GET', `${path}/timeline`)).toMatchObject({ status: 404 });
    for (const action of ['stop', 'start', 'retry']) {
      expect(await first.api('POST', `${path}/${action}`)).toMatchObject({ status: 404 });
    }
    expect(await first.api('DELETE', path)).toMatchObject({ status: 404 });
    expect((await first.api('GET', '/v1/instances')).body).toMatchObject({ instances: [] });
    expect((await second.api('GET', '/v1/instances')).body).toMatchObject({ instances: [{ id }] });
    const admin = await backend.admin();
    const listed = async (userId: string) => (await admin.api('GET', `/v1/instances?user_id=${userId}`)).body;
    expect(await listed(first.userId)).toMatchObject({ instances: [] });
    expect(await listed(second.userId)).toMatchObject({ instances: [{ id, user_id: second.userId }] });
    expect(await first.api('GET', `/v1/instances?user_id=${second.userId}`)).toMatchObject({ status: 403 });

    const { rows } = await rig.pool.query<{ since: Date; sequence: string }>(
      `select occurred_at as since, sequence from event_log where entity_id = $1 and user_id = $2 order by sequence limit 1`,
      [id, second.userId],
    );
    const since = rows[0]?.since.toISOString() ?? '';
    const own = await timelineOf(second.api, id);
    expect(JSON.stringify(own)).not.toContain(secret);
    expect(JSON.stringify(own)).not.toContain(first.userId);
    expect(own.timeline[0]?.text).toContain(`#${rows[0]?.sequence} instance.created`);
    expect(own.timeline.map(({ time }) => time).filter((time) => time !== null && time < since)).toEqual([]);
    expect(own.timeline.map(({ source }) => source)).toContain('workflow');

    const all = await timelineOf(admin.api, id);
    expect(JSON.stringify(all)).toContain(secret);
    expect(all.timeline.length).toBeGreaterThan(own.timeline.length);

    await second.api('DELETE', path);
    await untilCleanedUp(id, 2);
    expect(JSON.stringify(await timelineOf(second.api, id))).not.toContain(secret);
    expect(await first.api('GET', `${path}/timeline`)).toMatchObject({ status: 404 });
  });

  test('is hidden from its former owner, and its past from the new one, where it was handed over', async () => {
    const [first, second] = [await backend.user(), await backend.user()];
    const id = randomUUID();
    await insert(id, first.userId, secret);
    await rig.pool.query(`update instances set user_id = $2, metadata = '{}' where id = $1`, [id, second.userId]);
    expect(await first.api('GET', `/v1/instances/${id}/timeline`)).toMatchObject({ status: 404 });
    const own = await timelineOf(second.api, id);
    expect(JSON.stringify(own)).not.toContain(secret);
    expect(JSON.stringify(own)).not.toContain(first.userId);
  });

  test('answers a repeated key with the answer of then, and another user with an instance of its own', async () => {
    const [first, second] = [await backend.user(), await backend.user()];
    const create = (api: UserApi) =>
      api('POST', '/v1/instances', { json: { agent_id: agentId }, headers: { 'idempotency-key': 'one' } });
    const made = await create(first.api);
    const id = String(made.body['id']);
    await rig.deleteInstance(id);
    await untilCleanedUp(id, 1);
    await insert(id, second.userId, 'second');
    expect((await create(first.api)).body).toEqual(made.body);
    const others = await create(second.api);
    expect(others.body).toMatchObject({ user_id: second.userId });
    expect(others.body['id']).not.toBe(id);
  });
});

describe('live updates', () => {
  const idsOf = (events: { instance?: Record<string, unknown> }[]) =>
    new Set(events.map(({ instance }) => instance?.['instance_id']));

  test('bring each their own, live, caught up and after a resync, with events of the other in between', async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    const [mine, others] = [randomUUID(), randomUUID()];
    await insert(mine, first, secret);
    await insert(others, second, 'second');
    const live = await replica.watch({ userId: second });
    await live.ready();
    for (let count = 0; count < 5; count += 1) {
      await rename(mine, `${secret}${count}`);
      await rename(others, `second${count}`);
    }
    const last = async (id: string) => {
      const { rows } = await rig.pool.query<{ sequence: string }>('select sequence from instances where id = $1', [id]);
      return Number(rows[0]?.sequence);
    };
    await vi.waitFor(async () => expect(live.events().at(-1)?.sequence).toBe(await last(others)), { timeout: 20_000 });
    expect(idsOf(live.events())).toEqual(new Set([others]));

    const seen = live.events()[0]?.event_id;
    const caughtUp = await replica.watch({ userId: second, ...(seen !== undefined && { after: seen }) });
    await caughtUp.ready();
    expect(idsOf(caughtUp.events())).toEqual(new Set([others]));

    // The id of an event of another user tells nothing, not even that there is one.
    const resync = await replica.watch({ userId: first, ...(seen !== undefined && { after: seen }) });
    await resync.ready();
    await rename(others, 'later');
    await rename(mine, 'later');
    await vi.waitFor(async () => expect(resync.events().at(-1)?.sequence).toBe(await last(mine)), { timeout: 20_000 });
    expect(idsOf(resync.events())).toEqual(new Set([mine]));
  });

  test('of an id that was used again bring to each what happened while it was theirs', async () => {
    const { id, first, second } = await reuse();
    await rename(id, 'later');
    const after = async (userId: string) => {
      const { rows } = await rig.pool.query<{ event_id: string }>(
        'select event_id from event_log where entity_id = $1 and user_id = $2 and position is not null order by position limit 1',
        [id, userId],
      );
      return String(rows[0]?.event_id);
    };
    await rig.untilBusIsQuiet();
    const old = await replica.watch({ userId: first.userId, after: await after(first.userId) });
    const own = await replica.watch({ userId: second.userId, after: await after(second.userId) });
    await Promise.all([old.ready(), own.ready()]);
    expect(old.events().length).toBeGreaterThan(0);
    expect(own.events().length).toBeGreaterThan(0);
    expect(JSON.stringify(own.events())).not.toContain(secret);
    expect(JSON.stringify(own.events())).not.toContain(first.userId);
    expect(JSON.stringify(old.events())).not.toContain('later');
    expect(JSON.stringify(old.events())).not.toContain(second.userId);
  });
});
