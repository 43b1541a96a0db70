import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { HostJson } from '../../database/hosts/host-json.ts';
import { useAdminBackend } from '../support/admin-backend.ts';
import { insertInstanceOn, loseHost, registerHost } from '../support/hosts.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig();
const admin = useAdminBackend(rig);

beforeEach(async () => {
  await rig.pool.query('delete from placements');
  await rig.pool.query('delete from hosts');
});

const listed = async (): Promise<HostJson[]> => (await admin.call<{ hosts: HostJson[] }>('/v1/hosts')).body.hosts;
const post = (id: string, action: 'drain' | 'undrain', json?: object) =>
  admin.call<HostJson>(`/v1/hosts/${id}/${action}`, { method: 'POST', json });
const forget = (id: string) => admin.call<HostJson>(`/v1/hosts/${id}`, { method: 'DELETE' });

test('hosts are listed by name, with what is placed there, who serves them and how long their leases hold', async () => {
  const labels = { zone: 'a' };
  const two = await registerHost(rig.pool, { name: 'worker-2', runtime: 'docker', canFence: false, leaseSeconds: 60 });
  const one = await registerHost(rig.pool, { name: 'worker-1', capacity: 3, labels, build: 'a-build' });
  await insertInstanceOn(rig.pool, one);
  await loseHost(rig.pool, two, 10);
  const time = expect.stringMatching(/Z$/) as string;
  expect(await listed()).toEqual([
    {
      id: one,
      name: 'worker-1',
      runtime: 'process',
      labels,
      capacity: 3,
      placed: 1,
      can_fence: true,
      lease: { holds: true, until: time, seconds_left: expect.closeTo(600, -2) },
      workers: [{ id: expect.any(String), build: 'a-build', started_at: time }],
      drain: null,
      is_forgotten: false,
      registered_at: time,
    },
    expect.objectContaining({
      id: two,
      can_fence: false,
      lease: { holds: false, until: time, seconds_left: expect.closeTo(-600, -2) },
      workers: [],
    }),
  ]);
});

test('a host drains with its pace and its progress, until that is taken back', async () => {
  const id = await registerHost(rig.pool);
  const agent = await rig.publishAgent();
  await insertInstanceOn(rig.pool, id, agent);
  const { status, body } = await post(id, 'drain', { at_once: 3 });
  expect([status, body.drain]).toEqual([200, expect.objectContaining({ at_once: 3, left: 1, moving: 0, waiting: 1 })]);
  await registerHost(rig.pool);
  expect((await post(id.toUpperCase(), 'drain', {})).body.drain).toEqual({ ...body.drain, at_once: 1, waiting: 0 });
  expect(await post(id, 'undrain')).toMatchObject({ status: 200, body: { id, drain: null } });
});

test.each([{ at_once: 0 }, { at_once: 1.5 }, { at_once: '2' }, { atOnce: 2 }])(
  'a drain with %j is refused',
  async (json) => {
    const id = await registerHost(rig.pool);
    expect(await post(id, 'drain', json)).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(await listed()).toMatchObject([{ drain: null }]);
  },
);

test('a host is forgotten only once its lease has run out, and stays listed while instances are placed there', async () => {
  const id = await registerHost(rig.pool);
  await insertInstanceOn(rig.pool, id);
  expect(await forget(id)).toMatchObject({
    status: 409,
    body: {
      code: 'host_not_lost',
      detail: 'The lease of the host holds. End its agents_worker first, or drain the host.',
    },
  });
  expect(await listed()).toMatchObject([{ is_forgotten: false }]);
  await loseHost(rig.pool, id);
  expect(await forget(id)).toMatchObject({ status: 200, body: { id, placed: 1, is_forgotten: false } });
  expect(await listed()).toMatchObject([{ id, is_forgotten: true }]);
  expect(await forget(id)).toMatchObject({ status: 200 });
});

test('a host that is not there is neither drained nor forgotten', async () => {
  const id = randomUUID();
  const none = { status: 404, body: { code: 'not_found', detail: `There is no host ${id}.` } };
  expect(await post(id, 'drain', {})).toMatchObject(none);
  expect(await post(id, 'undrain')).toMatchObject(none);
  expect(await forget(id)).toMatchObject(none);
});
