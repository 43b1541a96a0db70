import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { choosePorts } from '../../stack/ports.ts';
import { runInstances } from '../support/command-line.ts';
import { one, useRig } from '../support/rig.ts';
import { createSecretWatch, readCommandLines, type SecretWatch } from '../support/secret-watch.ts';
import { openTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { signToken } from '../support/tokens.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

/** Secrets of one life, over the real processes: docs/secrets.md says which place may hold which of them. */

const services = ['event_broker', 'agents_worker', 'user_backend', 'admin_backend'] as const;
type Service = (typeof services)[number];

/** Prints its secrets and ends where its config asks for it, as a careless agent does. */
const agentScript = `
const { readFileSync } = require('node:fs');
const config = JSON.parse(readFileSync(process.env.INSTANCE_CONFIG_FILE, 'utf8'));
const { API_TOKEN, INSTANCE_CONTROL_URL } = process.env;
require('node:fs').writeFileSync(process.env.INSTANCE_READY_FILE, '');
setInterval(() => {}, 1e6);
if (config.print) setTimeout(() => {
  console.log(JSON.stringify(config));
  console.log('cannot connect to', INSTANCE_CONTROL_URL, 'as', new URL(INSTANCE_CONTROL_URL).password);
  console.log(process.env.PRIVATE_KEY + API_TOKEN, JSON.stringify(process.env.PRIVATE_KEY));
  process.exit(3);
}, 100);
Error.stackTraceLimit = 0;
if (config.crash) setTimeout(() => { throw new Error('refused: ' + API_TOKEN + ' ' + config.api_key); }, 100);
`;

const rig = useRig();
let watch: SecretWatch;
let hostSecrets: string;
let amqp: TcpProxy;
let database: TcpProxy;
let environments: Record<Service, Record<string, string>>;
let user: { token: string; url: string };
let admin: { token: string; url: string };
let agentId: string;
const processes = new Map<Service, WorkerProcess>();
const notifications: string[] = [];
const pushed: string[] = [];

beforeAll(async () => {
  watch = createSecretWatch();
  hostSecrets = await mkdtemp(join(tmpdir(), 'host-secrets-'));
  await writeFile(join(hostSecrets, 'canary'), watch.add('secret of the host', `host-${randomUUID()}`));
  const secret = watch.add('JWT_SECRET', `jwt-${randomUUID()}`);
  [amqp, database] = await Promise.all([
    openTcpProxy(new URL(rig.environment.AMQP_URL).host),
    openTcpProxy(new URL(rig.environment.DATABASE_URL).host),
  ]);
  const ports = await choosePorts('free');
  const through = (url: string, proxy: TcpProxy) => Object.assign(new URL(url), { host: proxy.address }).href;
  const environmentOf = (service: Service): Record<string, string> => {
    const environment = rig.environmentOf(service);
    watch.add('database password', new URL(environment.DATABASE_URL).password);
    watch.add('AMQP password', new URL(environment.AMQP_URL).password);
    watch.add('CONTROL_AMQP_URL', new URL(environment.CONTROL_AMQP_URL ?? '').password);
    return {
      ...environment,
      DATABASE_URL: through(environment.DATABASE_URL, database),
      AMQP_URL: through(environment.AMQP_URL, amqp),
      ...(service !== 'agents_worker' && { CONTROL_AMQP_URL: '' }),
      ...(service.endsWith('backend') && { JWT_SECRET: secret }),
      ...(service === 'agents_worker' && { AGENT_SECRETS_DIRECTORY: hostSecrets }),
      EVENT_BROKER_HEALTH_PORT: String(ports.postgres),
      AGENTS_WORKER_HEALTH_PORT: String(ports.amqp),
      USER_BACKEND_HEALTH_PORT: String(ports.management),
      ADMIN_BACKEND_HEALTH_PORT: String(ports.temporal),
      USER_BACKEND_PORT: String(ports.userBackend),
      ADMIN_BACKEND_PORT: String(ports.adminBackend),
      REQUESTS_PER_MINUTE: '10000',
      LOG_LEVEL: 'trace',
    };
  };
  environments = Object.fromEntries(
    services.map((service) => [service, environmentOf(service)]),
  ) as typeof environments;
  const tokenOf = async (name: string, roles: string[]) =>
    watch.add(name, await signToken({ userId: randomUUID(), roles, secret }));
  user = { token: await tokenOf('token of a user', []), url: `http://127.0.0.1:${ports.userBackend}` };
  admin = { token: await tokenOf('token of an admin', ['admin']), url: `http://127.0.0.1:${ports.adminBackend}` };

  const listener = await rig.connect();
  listener.on('notification', ({ payload = '' }) => notifications.push(payload));
  await listener.query('listen instances_notify; listen agents_notify');
  const script = join(rig.environment.RUNTIME_DIRECTORY, 'agent.cjs');
  await writeFile(script, agentScript);
  agentId = await rig.publishAgent({
    command: [process.execPath, script],
    ready: 'file',
    control: true,
    secrets: ['canary'],
    environment: {
      API_TOKEN: watch.add('environment', `env-${randomUUID()}`),
      PRIVATE_KEY: `-----BEGIN\n${watch.add('a line of the environment', `key-${randomUUID()}`)}\n-----END`,
    },
  });
  for (const service of services) {
    processes.set(service, startWorkerProcess(service.replace('_', '-'), environments[service]));
  }
  await vi.waitUntil(async () => (await health('/ready')).every((status) => status === 200), { timeout: 60_000 });
});

afterAll(async () => {
  await Promise.all([...processes.values()].map(({ kill }) => kill('SIGTERM')));
  await Promise.all([amqp?.cut(), database?.cut()]);
  await rm(hostSecrets, { recursive: true });
});

const ports = () => services.map((service) => environments[service][`${service.toUpperCase()}_HEALTH_PORT`]);
/** Of each service; 0 where none answers. */
const health = (path: string): Promise<number[]> =>
  Promise.all(
    ports().map(async (port) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
      if (!answer) return 0;
      watch.look('health', await answer.text());
      return answer.status;
    }),
  );

/** A call as any client's; answers that are errors are looked through. */
async function call(
  { token, url }: typeof user,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
) {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(token !== '' && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (answer.status >= 400) watch.look('error answers', text + JSON.stringify([...answer.headers]));
  return {
    status: answer.status,
    text,
    body: (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, unknown>,
  };
}

async function looksAtCommandLines(): Promise<void> {
  watch.look('list of processes', await readCommandLines());
}

const statusBecomes = (id: string, status: string) =>
  vi.waitFor(
    async () => {
      const { rows } = await rig.pool.query(
        'select status, observed_generation = generation as observed from instances where id = $1',
        [id],
      );
      expect(rows).toEqual([{ status, observed: true }]);
    },
    { timeout: 30_000 },
  );
/** The agent prints what `token` refers to as well. */
const newConfig = (name: string, more: object = {}) => ({
  token: { $secret: 'canary' },
  api_key: watch.add(`config ${name}`, `config-${randomUUID()}`),
  ...more,
});

/** Every table, as text. */
async function lookAtTables(): Promise<void> {
  const { rows } = await rig.pool.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
  );
  for (const { name } of rows) {
    const { rows: texts } = await rig.pool.query<{ text: string }>(`select t::text as text from ${name} t`);
    watch.look(`table ${name}`, texts.map(({ text }) => text).join('\n'));
  }
}

async function lookAtTemporal(): Promise<void> {
  let count = 0;
  for await (const found of rig.client.workflow.list({ query: `TaskQueue = '${rig.environment.TASK_QUEUE}'` })) {
    count += 1;
    const handle = rig.client.workflow.getHandle(found.workflowId, found.runId);
    const description = await handle.describe();
    watch.look('workflow descriptions', JSON.stringify([found.memo, found.searchAttributes, decoded(description.raw)]));
    watch.look('workflow histories', JSON.stringify(decoded(await handle.fetchHistory())));
  }
  expect(count).toBeGreaterThan(1);
}

/** With its payloads as text, which come as bytes or in base64. */
function decoded(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, part: unknown) => {
      if (key !== 'data') return part;
      if (typeof part === 'string') return Buffer.from(part, 'base64').toString('utf8');
      const { data = part } = part as { data?: unknown };
      return Buffer.from(Object.values(data as object)).toString('utf8');
    }),
  );
}

async function lookAtFiles(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) watch.look(`file ${entry.name}`, await readFile(join(entry.parentPath, entry.name), 'utf8'));
  }
}

async function dieAndComeBack(id: string, content: object): Promise<void> {
  const { headers, ...properties } = one(rig.bus.of(id).filter(({ type }) => type === 'instance.created')).message
    .properties;
  await rig.bus.publish('events.topic', 'instance.created', JSON.stringify(content), {
    ...properties,
    headers,
    messageId: randomUUID(),
  });
  const letters = await vi.waitFor(
    async () => {
      const { body } = await call(admin, 'GET', '/v1/dead-letters');
      const found = body['letters'] as { id: string; queue: string }[];
      expect(found.map(({ queue }) => queue)).toContain('agents_worker.instance.dead');
      return found;
    },
    { timeout: 20_000 },
  );
  watch.look('list of dead letters', JSON.stringify(letters));
  for (const { id: letterId, queue } of letters) {
    const { body } = await call(admin, 'GET', `/v1/dead-letters/${queue}/${letterId}`);
    watch.look('dead letters', String(body['body']));
    watch.look('headers of dead letters', JSON.stringify({ ...body, body: undefined }));
    expect((await call(admin, 'POST', `/v1/dead-letters/${queue}/${letterId}/send`)).status).toBe(422);
  }
  const { out, errors } = await runInstances(['dead-letters', 'list'], environments.admin_backend);
  watch.look('list of dead letters', out + errors);
  const sent = await runInstances(['dead-letters', 'send', '--all'], environments.admin_backend);
  watch.look('list of dead letters', sent.out + sent.errors);
}

test('a whole life, and all that can fail in it, leaves secrets only where they belong', async () => {
  const live = `${user.url.replace('http', 'ws')}/v1/updates`;
  const socket = new WebSocket(live, ['instances.v1', `bearer.${user.token}`]);
  socket.on('message', (data: Buffer) => pushed.push(data.toString('utf8')));

  const first = newConfig('at first');
  const key = { 'idempotency-key': randomUUID() };
  const created = await call(user, 'POST', '/v1/instances', { agent_id: agentId, config: first }, key);
  const id = String(created.body['id']);
  const path = `/v1/instances/${id}`;
  await statusBecomes(id, 'running');
  await looksAtCommandLines();
  for (const [name, how] of [
    ['printed', { print: true }],
    ['in a stack trace', { crash: true }],
  ] as const) {
    await call(user, 'PATCH', path, { config: newConfig(name, how) });
    await statusBecomes(id, 'failed');
    await looksAtCommandLines();
    watch.look('explain', (await runInstances(['explain', id, '--json'], environments.agents_worker)).out);
    watch.look('timeline', (await call(user, 'GET', `${path}/timeline`)).text);
  }
  await call(user, 'PATCH', path, { config: newConfig('at last') });
  await statusBecomes(id, 'running');
  await lookAtFiles(rig.environment.RUNTIME_DIRECTORY);

  // What fails.
  for (const [body, status] of [
    [{ agent_id: agentId, config: newConfig('of another instance') }, 201],
    [`{"agent_id": "${agentId}", "config": {"api_key": "${newConfig('cut off').api_key}"`, 400],
    [`{"agent_id": "${agentId}", "config": ${newConfig('without quotes').api_key}}`, 400],
    [{ agent_id: agentId, config: newConfig('of no object').api_key }, 400],
    [{ agent_id: agentId, config: newConfig('with an unknown field'), more: 1 }, 400],
    [{ agent_id: randomUUID(), config: newConfig('of an unknown agent') }, 422],
    [
      `{"agent_id": "${agentId}", "config": {"api_key": "${newConfig('with a huge number').api_key}", "n": 1e999999}}`,
      422,
    ],
  ] as const) {
    const answer = await call(user, 'POST', '/v1/instances', body);
    expect.soft(answer.status, answer.text).toBe(status);
  }
  for (const [name, options] of [
    ['expired', { expiresIn: '-1 h' }],
    ['signed by another', { secret: 'another-secret-0123456789-0123456789-01' }],
  ] as const) {
    const token = watch.add(`token ${name}`, await signToken({ userId: randomUUID(), ...options }));
    expect((await call({ ...user, token }, 'GET', path)).status).toBe(401);
    const refused = new WebSocket(live, ['instances.v1', `bearer.${token}`]);
    await new Promise((resolve) => refused.once('error', resolve));
  }
  await dieAndComeBack(id, { instance_id: id, config: newConfig('of a dead letter') });
  await Promise.all([amqp.cut(), database.cut()]);
  expect((await call(user, 'GET', path)).status).toBe(503);
  await vi.waitFor(async () => expect(await health('/ready')).toEqual(services.map(() => 503)), { timeout: 30_000 });
  await Promise.all([amqp.restore(), database.restore()]);
  await vi.waitFor(async () => expect(await health('/ready')).toEqual(services.map(() => 200)), { timeout: 60_000 });
  expect(await health('/metrics')).toEqual(services.map(() => 200));
  expect(await health('/unknown')).toEqual(services.map(() => 404));

  // The database refuses to have a status written, and says in the details of its error what the row was.
  await rig.pool.query(`alter table instances add constraint no_stop check (status <> 'stopped') not valid`);
  await call(user, 'POST', `${path}/stop`);
  await vi.waitFor(() => expect(processes.get('agents_worker')?.output()).toContain('no_stop'), { timeout: 20_000 });
  await rig.pool.query('alter table instances drop constraint no_stop');
  await statusBecomes(id, 'stopped');
  await call(user, 'POST', `${path}/start`);
  await statusBecomes(id, 'running');
  expect((await call(user, 'DELETE', path)).status).toBeLessThan(300);
  await rig.workflow(id).result();
  await looksAtCommandLines();

  watch.look('notifications', notifications.join('\n'));
  watch.look('live updates', pushed.join('\n'));
  for (const { type, message } of rig.bus.seen) {
    watch.look(type, message.content.toString('utf8'));
    watch.look(`headers of ${type}`, JSON.stringify(message.properties));
  }
  await lookAtTables();
  await lookAtTemporal();
  for (const [service, { output }] of processes) watch.look(`log of ${service}`, output());
  const configs = ['at first', 'at last', 'in a stack trace', 'of another instance', 'printed'].map(
    (name) => `config ${name}`,
  );
  expect(watch.found()).toEqual({
    'dead letters': ['config of a dead letter'],
    'file config.json': ['config at last', 'secret of the host'],
    'file secrets.json': expect.arrayContaining([
      'CONTROL_AMQP_URL',
      'config at last',
      'environment',
      'secret of the host',
    ]),
    'instance.created': ['config at first', 'config of a dead letter', 'config of another instance'],
    notifications: configs,
    'table agent_versions': ['a line of the environment', 'environment'],
    'table agents': ['a line of the environment', 'environment'],
    'table event_log_entries': ['a line of the environment', ...configs, 'environment'],
    'table instances': ['config of another instance'],
  });
});
