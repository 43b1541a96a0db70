import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test, vi } from 'vitest';
import { useUserBackend, type UserApi } from '../support/backends.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig({ services: ['event_broker', 'agents_worker'] });
const backend = useUserBackend(rig);
let api: UserApi;
let userId: string;
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
  ({ api, userId } = await backend.user());
});

const create = async (json: object): Promise<string> => {
  const answer = await api('POST', '/v1/instances', { json });
  expect(answer.status).toBe(201);
  return String(answer.body['id']);
};
const until = (id: string, status: string): Promise<void> =>
  vi.waitFor(async () => expect((await api('GET', `/v1/instances/${id}`)).body).toMatchObject({ status }), {
    timeout: 30_000,
  });

test('an instance lives over HTTP: created, running, stopped, started, failed, tried again, deleted', async () => {
  const created = await api('POST', '/v1/instances', { json: { agent_id: agentId, config: { a: 1 } } });
  expect(created).toMatchObject({
    status: 201,
    body: { agent_id: agentId, agent_name: 'test', user_id: userId, config: { a: 1 }, status: 'pending', reason: null },
  });
  const id = String(created.body['id']);
  const path = `/v1/instances/${id}`;
  expect(created.headers.get('location')).toBe(path);
  await until(id, 'running');
  expect(await api('POST', `${path}/retry`)).toMatchObject({ status: 409, body: { code: 'not_retryable' } });

  expect((await api('POST', `${path}/stop`)).body).toMatchObject({ desired_state: 'stopped', generation: 2 });
  await until(id, 'stopped');
  expect(await rig.processes(id)).toEqual([]);
  const refused = await api('POST', `${path}/retry`);
  expect(refused.body).toMatchObject({ code: 'not_retryable', detail: expect.stringContaining('start it') });
  expect((await api('POST', `${path}/start`)).body).toMatchObject({ desired_state: 'running', generation: 3 });
  await until(id, 'running');

  const once = await rig.publishAgent({
    command: ['sh', '-c', 'test -e ../again || { touch ../again; sleep 0.2; exit 7; }; exec sleep 1000'],
  });
  const changed = await api('PATCH', path, { json: { agent_id: once, config: { b: 2 } } });
  expect(changed).toMatchObject({ status: 200, body: { agent_id: once, config: { b: 2 }, generation: 4 } });
  await until(id, 'failed');
  const failed = await api('POST', `${path}/retry`);
  expect(failed).toMatchObject({ status: 200, body: { status: 'failed', reason: { code: 'agent_exited' } } });
  await until(id, 'running');

  const deleted = await api('DELETE', path);
  expect(deleted).toMatchObject({ status: 200, body: { id, status: 'running', config: { b: 2 } } });
  await rig.workflow(id).result();
  expect(await rig.processes(id)).toEqual([]);
  for (const [method, gone] of [
    ['GET', path],
    ['DELETE', path],
    ['PATCH', path],
    ['POST', `${path}/stop`],
    ['POST', `${path}/retry`],
  ] as const) {
    const json = method === 'PATCH' ? { config: {} } : undefined;
    expect(await api(method, gone, { json })).toMatchObject({ status: 404, body: { code: 'not_found' } });
  }
});

test('what is repeated changes nothing and is no error', async () => {
  const id = await create({ agent_id: agentId, desired_state: 'stopped' });
  await until(id, 'stopped');
  const first = await api('POST', `/v1/instances/${id}/stop`);
  expect(await api('POST', `/v1/instances/${id}/stop`)).toMatchObject({ status: 200, body: first.body });
});

test('an instance without a workflow is not tried again, which is said', async () => {
  const id = randomUUID();
  await rig.pool.query(
    `begin; set local session_replication_role = replica;
     insert into instances (id, agent_id, user_id, status, observed_generation)
     values ('${id}', '${agentId}', '${userId}', 'failed', 1); commit`,
  );
  expect(await api('POST', `/v1/instances/${id}/retry`)).toMatchObject({ status: 409, body: { code: 'no_workflow' } });
  await rig.pool.query(
    `begin; set local session_replication_role = replica; delete from instances where id = '${id}'; commit`,
  );
});

test('the events of a request belong to its trace', async () => {
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
  const created = await api('POST', '/v1/instances', {
    json: { agent_id: agentId, desired_state: 'stopped' },
    headers: { traceparent: `00-${trace}-00f067aa0ba902b7-01` },
  });
  const event = await rig.bus.until(String(created.body['id']), 'instance.created');
  expect(event.headers['cloudEvents:traceparent']).toContain(trace);
});

test('an agent is in the catalog soon after its publication, and refused right after its retirement', async () => {
  const agent = await rig.publishAgent();
  const path = `/v1/agents/${agent}`;
  await vi.waitFor(async () =>
    expect((await api('GET', path)).body).toEqual({
      id: agent,
      name: 'test',
      version: '1',
      stable_version: '1',
      capabilities: [],
      retired_at: null,
    }),
  );
  await rig.pool.query('update agents set retired_at = now() where id = $1', [agent]);
  const refused = await api('POST', '/v1/instances', { json: { agent_id: agent } });
  expect(refused).toMatchObject({ status: 422, body: { code: 'agent_retired' } });
  await vi.waitFor(async () => expect((await api('GET', path)).body['retired_at']).not.toBeNull());
  const ids = async (query = '') => {
    const { agents } = (await api('GET', `/v1/agents${query}`)).body as { agents: { id: string }[] };
    return agents.map(({ id }) => id);
  };
  expect(await ids()).not.toContain(agent);
  expect(await ids('?include_retired=true')).toContain(agent);

  await rig.pool.query('delete from agents where id = $1', [agent]);
  await vi.waitFor(async () => expect(await api('GET', path)).toMatchObject({ status: 404 }));
});

test('an instance is not moved to an agent that cannot be used, but may stay with one that was retired', async () => {
  const agent = await rig.publishAgent();
  const id = await create({ agent_id: agent, desired_state: 'stopped' });
  const move = (to: string) => api('PATCH', `/v1/instances/${id}`, { json: { agent_id: to } });
  expect((await move(randomUUID())).body).toMatchObject({ status: 422, code: 'agent_unknown' });
  await rig.pool.query('update agents set retired_at = now() where id = $1', [agent]);
  expect(await move(agent)).toMatchObject({ status: 200, body: { agent_retired: true, generation: 1 } });
  await move(agentId);
  expect((await move(agent)).body).toMatchObject({ status: 422, code: 'agent_retired' });
});

test('who the caller is, and where the page finds the rest', async () => {
  const me = await api('GET', '/v1/me');
  expect(me.body).toMatchObject({ user_id: userId, is_admin: false });
  expect(Date.parse(String(me.body['expires_at']))).toBeGreaterThan(Date.now());
  expect((await backend.call('GET', '/page-settings')).body).toEqual({
    admin_backend_url: null,
    temporal_ui_url: null,
  });
});
