import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startUserBackend } from '../support/backends.ts';
import { openRig, type Rig } from '../support/rig.ts';
import { signToken } from '../support/tokens.ts';

let rig: Rig;
let backend: Awaited<ReturnType<typeof startUserBackend>>;
let agentId: string;

beforeAll(async () => {
  rig = await openRig();
  await rig.startAll();
  backend = await startUserBackend(rig);
  agentId = await rig.publishAgent();
  await rig.bus.until(agentId, 'agent.published');
});

afterAll(async () => {
  await backend.stop();
  await rig.close();
});

test('an instance is created, runs, is stopped, started and deleted, all over HTTP', async () => {
  const token = await signToken({ userId: randomUUID() });
  const created = await backend.call('/v1/instances', { method: 'POST', token, json: { agent_id: agentId } });
  expect(created).toMatchObject({ status: 201, body: { status: 'pending', agent_name: 'test', config: {} } });
  const path = `/v1/instances/${String(created.body['id'])}`;
  const untilStatus = (status: string) =>
    vi.waitFor(async () => expect((await backend.call(path, { token })).body['status']).toBe(status), 30_000);
  await untilStatus('running');
  expect(await backend.call(`${path}/stop`, { method: 'POST', token })).toMatchObject({ status: 200 });
  await untilStatus('stopped');
  expect(await backend.call(`${path}/start`, { method: 'POST', token })).toMatchObject({ status: 200 });
  await untilStatus('running');
  const timeline = await backend.call(`${path}/timeline`, { token });
  expect(timeline).toMatchObject({ status: 200, body: { verdict: { state: 'running' }, missing: [] } });
  expect(await backend.call(path, { method: 'DELETE', token })).toMatchObject({ status: 200 });
  expect(await backend.call(path, { token })).toMatchObject({ status: 404, body: { code: 'not_found' } });
  await vi.waitFor(
    async () =>
      expect(await backend.call(`${path}/timeline`, { token })).toMatchObject({
        status: 200,
        body: { verdict: { state: 'deleted' } },
      }),
    30_000,
  );
  expect(rig.fatal).toEqual([]);
});
