import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startUserBackend, type UserBackend } from '../support/backends.ts';
import { openRawConnection, requestHead } from '../support/raw-connection.ts';
import { useRig } from '../support/rig.ts';
import { openTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { tokenSettings } from '../support/tokens.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

const rig = useRig();
let database: TcpProxy;
let temporal: TcpProxy;
let backend: UserBackend;
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
  const databaseUrl = new URL(rig.environment.DATABASE_URL);
  database = await openTcpProxy(databaseUrl.host);
  databaseUrl.host = database.address;
  temporal = await openTcpProxy(rig.environment.TEMPORAL_ADDRESS);
  backend = await startUserBackend(rig, {
    DATABASE_URL: databaseUrl.href,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_UI_URL: 'http://127.0.0.1:8233/',
    ADMIN_BACKEND_URL: 'http://127.0.0.1:27441',
    ALLOWED_ORIGINS: 'https://app.example.com, https://other.example.com',
  });
});
afterAll(async () => {
  await backend?.stop();
  await Promise.all([database?.cut(), temporal?.cut()]);
});

test('while the database is away answers are 503, the catalog and public routes go on, and then all is well', async () => {
  const { api } = await backend.user();
  await database.cut();
  try {
    for (const [method, path, json] of [
      ['GET', '/v1/instances', undefined],
      ['POST', '/v1/instances', { agent_id: agentId }],
    ] as const) {
      const answer = await api(method, path, { json });
      expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect((await api('GET', '/v1/agents')).status).toBe(200);
    expect((await backend.call('GET', '/page-settings')).status).toBe(200);
  } finally {
    await database.restore();
  }
  expect((await api('POST', '/v1/instances', { json: { agent_id: agentId } })).status).toBe(201);
  expect(rig.fatal).toEqual([]);
});

test('a connection that breaks amid a transaction is 503, and harms no other', async () => {
  const { api, userId } = await backend.user();
  const created = await api('POST', '/v1/instances', { json: { agent_id: agentId } });
  const path = `/v1/instances/${String(created.body['id'])}`;
  const lock = await rig.connect();
  await lock.query(`begin; select from instances where user_id = '${userId}' for update`);
  const waiting = api('POST', `${path}/stop`);
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'user_backend'
         and datname = current_database() and wait_event_type = 'Lock'`,
    );
    expect(rows).toHaveLength(1);
  });
  expect(await waiting).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  await lock.query('rollback');
  expect((await api('GET', path)).body).toMatchObject({ desired_state: 'running', sequence: 1 });
});

test('while Temporal is away a retry is 503, and nothing else', async () => {
  const { api } = await backend.user();
  const created = await api('POST', '/v1/instances', { json: { agent_id: agentId } });
  const id = String(created.body['id']);
  await rig.pool.query(`select record_instance_status($1, 'failed', 1, '{"code": "agent_exited", "message": "x"}', null)`, [id]); // prettier-ignore
  await temporal.cut();
  const refused = await api('POST', `/v1/instances/${id}/retry`);
  expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  expect((await api('POST', `/v1/instances/${id}/stop`)).status).toBe(200);
  await temporal.restore();
  await vi.waitFor(
    async () => expect((await api('POST', `/v1/instances/${id}/retry`)).body).toMatchObject({ code: 'no_workflow' }),
    { timeout: 20_000 },
  );
});

test('the page is told where admin_backend and the Web UI are, and may connect to the first', async () => {
  const settings = await backend.call('GET', '/page-settings');
  expect(settings.body).toEqual({
    admin_backend_url: 'http://127.0.0.1:27441',
    temporal_ui_url: 'http://127.0.0.1:8233/namespaces/default/workflows',
  });
  expect(settings.headers.get('content-security-policy')).toContain("connect-src 'self' http://127.0.0.1:27441");
});

test('pages of the origins that are set may call', async () => {
  for (const [origin, allowed] of [
    ['https://other.example.com', 'https://other.example.com'],
    ['https://evil.example.com', null],
  ] as const) {
    const headers = { origin, 'access-control-request-method': 'POST' };
    const answer = await backend.call('OPTIONS', '/v1/instances', { headers });
    expect(answer.headers.get('access-control-allow-origin')).toBe(allowed);
  }
});

test('the limit on the rate is the one that is set', async () => {
  const limited = await startUserBackend(rig, { REQUESTS_PER_MINUTE: '2' });
  try {
    const { api } = await limited.user();
    const answers = [];
    for (let count = 0; count < 3; count += 1) answers.push(await api('GET', '/v1/me'));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(Number(answers[2]?.headers.get('retry-after'))).toBeGreaterThan(0);
  } finally {
    await limited.stop();
  }
});

test('a stop answers what is in hand, and is done soon although clients keep connections open', async () => {
  const stopped = await startUserBackend(rig);
  const { api, userId } = await stopped.user();
  const created = await api('POST', '/v1/instances', { json: { agent_id: agentId } });
  const path = `/v1/instances/${String(created.body['id'])}`;
  const lock = await rig.connect();
  await lock.query(`begin; select from instances where user_id = '${userId}' for update`);
  const inHand = api('POST', `${path}/stop`);
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query(
      `select from pg_stat_activity where application_name = 'user_backend' and datname = current_database()
         and wait_event_type = 'Lock'`,
    );
    expect(rows).toHaveLength(1);
  });
  const stopping = stopped.stop();
  await lock.query('commit');
  const since = Date.now();
  expect(await inHand).toMatchObject({ status: 200, body: { desired_state: 'stopped' } });
  await stopping;
  expect(Date.now() - since).toBeLessThan(10_000);
  await expect(api('GET', path)).rejects.toThrow('fetch failed');
});

test('a stop answers a request that comes after it, on a connection that was accepted before', async () => {
  const stopped = await startUserBackend(rig);
  const early = await openRawConnection(Number(new URL(stopped.url).port), '');
  const stopping = stopped.stop();
  await vi.waitFor(() => expect(fetch(`${stopped.url}/openapi.json`)).rejects.toThrow('fetch failed'), 10_000);
  early.socket.write(requestHead('GET', '/openapi.json'));
  await early.ended;
  expect(early.received()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  await stopping;
});

test('as a process it says what it lacks, is ready, and ends with what is in hand', async () => {
  const environment = {
    ...rig.environment,
    USER_BACKEND_PORT: '0',
    USER_BACKEND_HEALTH_PORT: '0',
  };
  const lacking = startWorkerProcess('user-backend', environment);
  expect(await lacking.exit).toBe(1);
  expect(lacking.output()).toContain('JWT_JWKS_URL is required');

  const running = startWorkerProcess('user-backend', { ...environment, ...tokenSettings });
  await vi.waitFor(() => expect(running.output()).toContain('agent_catalog is ready'), { timeout: 60_000 });
  expect(await running.kill('SIGTERM')).toBe(0);
}, 120_000);

test('health tells which part is not at work', async () => {
  const lost = { ready: false, lastError: expect.stringContaining('ECONNREFUSED') };
  const unreachable = { AMQP_URL: `amqp://127.0.0.1:1/${randomUUID()}` };
  const service = await startUserBackend(rig, unreachable, { untilReady: false });
  try {
    await vi.waitFor(async () => {
      const answer = await fetch(`http://127.0.0.1:${service.healthPort}/ready`);
      expect(answer.status).toBe(503);
      expect(await answer.json()).toMatchObject({
        ready: false,
        parts: [
          { name: 'agent_catalog', ready: true },
          { name: 'user_backend.replica', ...lost },
          { name: 'user_backend.ws_updates', ...lost },
          { name: 'user_backend.agent', ...lost },
        ],
      });
    });
    const { api } = await service.user();
    expect((await api('GET', `/v1/agents/${agentId}`)).status).toBe(200);
  } finally {
    await service.stop();
  }
});

test('a port that is taken is named, with the setting to change', async () => {
  const port = new URL(backend.url).port;
  await expect(startUserBackend(rig, { USER_BACKEND_PORT: port })).rejects.toThrow(
    `Port ${port} of 127.0.0.1 cannot be listened on: EADDRINUSE. End what uses it, or change USER_BACKEND_PORT or HTTP_HOST.`,
  );
});
