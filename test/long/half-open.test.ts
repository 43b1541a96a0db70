import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startAdminBackend } from '../support/admin-backend.ts';
import { startUserBackend, type UserBackend } from '../support/backends.ts';
import { useRig, type Rig } from '../support/rig.ts';
import { openTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

/** The times that docs/operation.md gives, with room for a busy machine. */
const cases = [
  { name: 'PostgreSQL and RabbitMQ', servers: ['database', 'amqp'], limitMs: 45_000 },
  // A poll of the worker is given up by the SDK, whose limits cannot be set.
  { name: 'Temporal', servers: ['temporal'], limitMs: 90_000 },
] as const;

const rig = useRig();
let users: UserBackend;
let proxies: Record<(typeof cases)[number]['servers'][number], TcpProxy>;
const processes: WorkerProcess[] = [];
const cleanUps: (() => Promise<unknown>)[] = [];
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
  const { DATABASE_URL, AMQP_URL, TEMPORAL_ADDRESS } = rig.environment;
  const open = async (target: string): Promise<TcpProxy> => {
    const proxy = await openTcpProxy(target);
    cleanUps.push(() => proxy.cut());
    return proxy;
  };
  proxies = {
    database: await open(new URL(DATABASE_URL).host),
    amqp: await open(new URL(AMQP_URL).host),
    temporal: await open(TEMPORAL_ADDRESS),
  };
  const environmentOf = (service: Parameters<Rig['environmentOf']>[0]) => {
    const environment = rig.environmentOf(service);
    return {
      ...environment,
      DATABASE_URL: Object.assign(new URL(environment.DATABASE_URL), { host: proxies.database.address }).href,
      AMQP_URL: Object.assign(new URL(environment.AMQP_URL), { host: proxies.amqp.address }).href,
      TEMPORAL_ADDRESS: proxies.temporal.address,
    };
  };
  for (const [entry, service] of [
    ['event-broker', 'event_broker'],
    ['agents-worker', 'agents_worker'],
  ] as const) {
    const started = startWorkerProcess(entry, environmentOf(service));
    processes.push(started);
    cleanUps.push(() => started.kill('SIGKILL'));
  }
  users = await startUserBackend(rig, environmentOf('user_backend'));
  const admins = await startAdminBackend(rig, environmentOf('admin_backend'));
  cleanUps.push(
    () => users.stop(),
    () => admins.stop(),
  );
  await admins.ready();
  await createdRuns(60_000);
});
afterAll(async () => {
  for (const cleanUp of cleanUps.toReversed()) await cleanUp();
});

/** An instance that is asked for over HTTP runs, and is stopped: every service has its part in that. */
async function createdRuns(timeout: number): Promise<void> {
  const { api } = await users.user();
  const until = Date.now() + timeout;
  const remaining = () => ({ timeout: Math.max(1, until - Date.now()), interval: 100 });
  const id = await vi.waitFor(async () => {
    const created = await api('POST', '/v1/instances', { json: { agent_id: agentId } });
    expect(created.status).toBe(201);
    return String(created.body['id']);
  }, remaining());
  const saw = (type: string, status: string) =>
    vi.waitFor(() => {
      const seen = rig.bus.of(id).map(({ type: is, body }) => `${is} ${String(body['status'])}`);
      expect(seen).toContain(`${type} ${status}`);
    }, remaining());
  await saw('instance.updated', 'running');
  await vi.waitFor(async () => {
    // A 503 may have come after the row was gone.
    expect([200, 404]).toContain((await api('DELETE', `/v1/instances/${id}`)).status);
  }, remaining());
  await saw('instance.updated', 'stopped');
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query('select from audit_log where instance_id = $1', [id]);
    expect(rows.length).toBeGreaterThan(2);
  }, remaining());
}

test.each(cases)(
  'connections through which $name no longer answers are given up and made anew within $limitMs ms',
  async ({ servers, limitMs }) => {
    for (const server of servers) {
      proxies[server].mute();
      await proxies[server].restore();
    }
    await createdRuns(limitMs);
    expect(rig.fatal).toEqual([]);
  },
  120_000,
);
