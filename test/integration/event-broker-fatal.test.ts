import { afterEach, expect, test, vi } from 'vitest';
import { assertTopology } from '../../bridge/bus/topology.ts';
import { useRig } from '../support/rig.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

const rig = useRig();
let started: WorkerProcess | undefined;
const services = { 'event-broker': 'event_broker', 'agents-worker': 'agents_worker' } as const;
const entries = ['event-broker', 'agents-worker'] as const;

afterEach(async () => {
  await started?.kill('SIGKILL');
});

/** The process as it is started in production: it has to end by itself, with code 1, having said what to do. */
async function lastWordsOf(entry: keyof typeof services, environment: Record<string, string>): Promise<string> {
  started = startWorkerProcess(entry, { ...rig.environmentOf(services[entry]), ...environment });
  expect(await started.exit).toBe(1);
  return started.output();
}

const changed = (url: string, change: (url: URL) => void): string => {
  const copy = new URL(url);
  change(copy);
  return copy.href;
};

test('a database without the tables: run the migrations', async () => {
  const DATABASE_URL = changed(rig.environmentOf('event_broker').DATABASE_URL, (url) => {
    url.pathname = '/postgres';
  });
  expect(await lastWordsOf('event-broker', { DATABASE_URL })).toContain('npm run migrate');
});

test('a database that is not there: check DATABASE_URL', async () => {
  const DATABASE_URL = changed(rig.environmentOf('event_broker').DATABASE_URL, (url) => {
    url.pathname = '/nowhere';
  });
  expect(await lastWordsOf('event-broker', { DATABASE_URL })).toMatch(/nowhere.*DATABASE_URL/);
});

test('a wrong password of PostgreSQL: check DATABASE_URL, and the password is not printed', async () => {
  const DATABASE_URL = changed(rig.environmentOf('event_broker').DATABASE_URL, (url) => {
    url.password = 'hunter2';
  });
  const words = await lastWordsOf('event-broker', { DATABASE_URL });
  expect(words).toMatch(/password authentication failed.*DATABASE_URL/);
  expect(words).not.toContain('hunter2');
});

test('a login of PostgreSQL that may not mark entries: use another', async () => {
  const { DATABASE_URL } = rig.environmentOf('agents_worker');
  expect(await lastWordsOf('event-broker', { DATABASE_URL })).toMatch(
    /permission denied for table event_log.*role event_broker/,
  );
});

test.each(entries)('a wrong password of RabbitMQ ends %s: check AMQP_URL', async (entry) => {
  const AMQP_URL = changed(rig.environmentOf('event_broker').AMQP_URL, (url) => {
    url.password = 'hunter2';
  });
  const words = await lastWordsOf(entry, { AMQP_URL });
  expect(words).toMatch(/RabbitMQ at .*AMQP_URL/);
  expect(words).not.toContain('hunter2');
});

test('a virtual host that is not there is named and ends nothing: a server that is starting has none', async () => {
  const AMQP_URL = changed(rig.environmentOf('event_broker').AMQP_URL, (url) => {
    url.pathname = '/nowhere';
  });
  started = startWorkerProcess('event-broker', { ...rig.environmentOf('event_broker'), AMQP_URL });
  const { output, kill } = started;
  await vi.waitFor(() => expect(output().match(/refuses the virtual host nowhere.*AMQP_URL/g)).toHaveLength(1), {
    timeout: 60_000,
  });
  expect(await kill('SIGTERM')).toBe(0);
});

test('a queue that was declared with other arguments is named, with what differs', async () => {
  const queue = 'agents_worker.instance';
  const { channel } = rig.bus;
  await channel.assertQueue(queue, { durable: true });
  const words = await lastWordsOf('event-broker', {});
  expect(words).toMatch(/differs from the catalog.*agents_worker\.instance.*delete it/);
  await channel.deleteQueue(queue);
});

test.each(entries)(
  'the account of another service ends %s, which names it, the right and the way out',
  async (entry) => {
    await assertTopology(rig.bus.channel, 'event_broker');
    const { AMQP_URL } = rig.environmentOf('admin_backend');
    const words = await lastWordsOf(entry, { AMQP_URL });
    expect(words).toMatch(
      /the right to (configure|write) to the account \w+_admin_backend: .*ACCESS_REFUSED - .*access to .*AMQP_URL; npm run contracts:check -- --accounts/,
    );
    expect(words).not.toMatch(/(lost its|has no) connection/);
  },
);

test('settings that are missing or wrong are named together', async () => {
  const words = await lastWordsOf('event-broker', { DATABASE_URL: '', AMQP_URL: 'http://127.0.0.1' });
  expect(words).toMatch(/DATABASE_URL is required[^]*AMQP_URL must be/);
});
