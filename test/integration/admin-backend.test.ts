import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { startAdminBackend, useAdminBackend } from '../support/admin-backend.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig({ services: ['event_broker', 'agents_worker'] });
const admin = useAdminBackend(rig);
beforeAll(() => admin.ready());

interface Agent {
  id: string;
  retired_at: string | null;
  runtime: object;
}

const runtime = { kind: 'process', command: ['sleep', '100000'], stop_grace_seconds: 2 };
const echo = { name: 'echo', version: '1.0.0', runtime };

const post = <Body = Agent>(path: string, json?: unknown) => admin.call<Body>(path, { method: 'POST', json });
const patch = (id: string, json: unknown) => admin.call<Agent>(`/v1/agents/${id}`, { method: 'PATCH', json });

async function publish(json: object = echo): Promise<Agent> {
  const { status, body } = await post('/v1/agents', json);
  expect([status, body]).toEqual([201, expect.anything()]);
  return body;
}

const eventsOf = (id: string) => rig.bus.of(id).map(({ type }) => type);

test('an agent that is published over HTTP lets the instance run that waited for it', async () => {
  const id = randomUUID();
  const instance = await rig.insertInstance(id);
  await rig.bus.until(instance, 'instance.updated', 'pending');
  const { headers, body } = await post('/v1/agents', { ...echo, id, capabilities: ['chat'] });
  await rig.bus.until(instance, 'instance.updated', 'running');
  expect(headers.get('location')).toBe(`/v1/agents/${id}`);
  const agent = {
    ...echo,
    id,
    capabilities: ['chat'],
    stable_version: '1.0.0',
    rollout: null,
    retired_at: null,
    drain: false,
    created_at: expect.stringMatching(/Z$/),
    updated_at: expect.stringMatching(/Z$/),
    instances: 1,
  };
  expect(body).toEqual(agent);
  expect((await admin.call(`/v1/agents/${id.toUpperCase()}`)).body).toEqual(agent);
});

test('a retirement that drains stops what runs, and taken back the agent can be used again', async () => {
  const { id } = await publish();
  const instance = await rig.insertInstance(id);
  await rig.bus.until(instance, 'instance.updated', 'running');

  const retired = await post(`/v1/agents/${id}/retire`, { drain: true });
  expect(retired).toMatchObject({ status: 200, body: { drain: true, retired_at: expect.stringMatching(/Z$/) } });
  await rig.bus.until(instance, 'instance.updated', 'stopped');
  expect(await rig.processes(instance)).toEqual([]);

  expect(await post(`/v1/agents/${id}/publish`)).toMatchObject({
    status: 200,
    body: { drain: false, retired_at: null },
  });
  await rig.bus.until(await rig.insertInstance(id), 'instance.updated', 'running');
});

test('a retirement that does not drain lets run what runs, and asked for again it stays since when it is', async () => {
  const { id } = await publish();
  const first = await post(`/v1/agents/${id}/retire`, {});
  expect(first).toMatchObject({ status: 200, body: { drain: false } });
  expect((await post(`/v1/agents/${id}/retire`, {})).body).toEqual(first.body);
  expect((await post(`/v1/agents/${id}/retire`, { drain: true })).body).toMatchObject({
    drain: true,
    retired_at: first.body.retired_at,
  });
});

test('a change is an event, and a change of nothing is none', async () => {
  const { id } = await publish();
  expect(await patch(id, { version: '1.1.0' })).toMatchObject({
    status: 200,
    body: { version: '1.1.0', name: 'echo' },
  });
  expect(await patch(id, { version: '1.1.0', name: 'echo', runtime, capabilities: [] })).toMatchObject({ status: 200 });
  expect(await patch(id, { version: '1.2.0', capabilities: ['search'] })).toMatchObject({
    body: { capabilities: ['search'] },
  });
  await rig.untilBusIsQuiet();
  expect(eventsOf(id)).toEqual(['agent.published', 'agent.published', 'agent.published']);
  expect(rig.bus.of(id).map(({ body }) => [body['version'], body['capabilities']])).toEqual([
    ['1.0.0', []],
    ['1.1.0', []],
    ['1.2.0', ['search']],
  ]);
});

test('a list is by name, and tells no runtime, in which there may be secrets', async () => {
  const name = `listed ${randomUUID()}`;
  const { id } = await publish({ ...echo, name });
  const { body } = await admin.call<{ agents: object[] }>(`/v1/agents?name=${encodeURIComponent(name)}`);
  expect(body.agents).toEqual([expect.objectContaining({ id, name, instances: 0 })]);
  expect(body.agents[0]).not.toHaveProperty('runtime');
  const { body: all } = await admin.call<{ agents: object[] }>('/v1/agents');
  expect(all.agents.length).toBeGreaterThan(1);
});

describe('what is not of the documented form is refused, and says where', () => {
  test.each<[string, object, string[]]>([
    ['nothing', {}, ['body.name', 'body.version', 'body.runtime']],
    ['an empty name', { ...echo, name: '' }, ['body.name']],
    ['a member that is not known', { ...echo, verison: '2' }, ['body']],
    ['capabilities that are no texts', { ...echo, capabilities: [1] }, ['body.capabilities.0']],
    ['a runtime of no kind', { ...echo, runtime: { kind: 'ship' } }, ['body.runtime.kind']],
    ['a command that is empty', { ...echo, runtime: { kind: 'process', command: [] } }, ['body.runtime.command']],
    ['a misspelt setting', { ...echo, runtime: { ...runtime, enviroment: {} } }, ['body.runtime']],
    ['no runtime at all', { ...echo, runtime: null }, ['body.runtime']],
    ['an id that is none', { ...echo, id: 'echo' }, ['body.id']],
  ])('%s', async (_, json, paths) => {
    const { status, headers, body } = await post<{ errors: { path: string }[] }>('/v1/agents', json);
    expect(status).toBe(400);
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(body).toMatchObject({ code: 'invalid_request' });
    expect(body.errors.map(({ path }) => path)).toEqual(paths);
  });
});

test('what the database does not take is refused with what to do', async () => {
  const { id } = await publish();
  const refused = (json: unknown, method = 'POST', path = '/v1/agents') =>
    admin.call(path, { method, json }).then(({ status, body }) => [status, body['code']]);
  expect(await refused({ ...echo, id })).toEqual([409, 'agent_exists']);
  expect(await refused({ ...echo, name: 'x'.repeat(1024 * 1024) })).toEqual([422, 'agent_too_large']);
  expect(await refused({ ...echo, name: 'a\u0000b' })).toEqual([422, 'row_refused']);
  expect(await refused({ ...echo, capabilities: ['a\u0000b'] })).toEqual([422, 'row_refused']);
  expect(await refused({ name: 'x'.repeat(1024 * 1024) }, 'PATCH', `/v1/agents/${id}`)).toEqual([
    422,
    'agent_too_large',
  ]);
  expect(await refused({}, 'PATCH', `/v1/agents/${id}`)).toEqual([400, 'invalid_request']);
  expect(await refused({ version: 'x'.repeat(1_025) }, 'PATCH', `/v1/agents/${id}`)).toEqual([422, 'version_too_long']);
  for (const change of [{ capabilities: ['chat'] }, { runtime: { ...runtime, stop_grace_seconds: 3 } }]) {
    expect(await refused(change, 'PATCH', `/v1/agents/${id}`)).toEqual([409, 'version_exists']);
  }
});

test('an agent that is not there is a 404 for every route', async () => {
  const id = randomUUID();
  const answers = await Promise.all([
    admin.call(`/v1/agents/${id}`),
    patch(id, { version: '2' }),
    post(`/v1/agents/${id}/retire`, {}),
    post(`/v1/agents/${id}/publish`),
  ]);
  for (const { status, body } of answers) expect([status, body]).toMatchObject([404, { code: 'not_found' }]);
});

test('a database that is away is a 503 with the time to wait', async () => {
  const away = await startAdminBackend(rig, { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' });
  const { status, headers, body } = await away.call('/v1/agents');
  expect([status, headers.get('retry-after'), body]).toMatchObject([503, '5', { code: 'unavailable' }]);
  await away.stop();
  expect(rig.fatal).toEqual([]);
});

test('its health says whether the audit is at work', async () => {
  await vi.waitFor(async () => {
    const response = await fetch(`http://127.0.0.1:${admin.healthPort}/ready`);
    expect([response.status, await response.json()]).toMatchObject([
      200,
      { parts: [{ name: 'admin_backend.audit' }, { name: 'audit_refill' }] },
    ]);
  });
});
