import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { choosePorts } from '../../stack/ports.ts';
import { startPostgres } from '../../stack/postgres.ts';
import { startRabbitmq } from '../../stack/rabbitmq.ts';
import type { Server } from '../../stack/server.ts';
import { resetStack } from '../../stack/stack.ts';
import { startTemporal } from '../../stack/temporal.ts';
import { openBus } from '../support/bus.ts';
import { killAgent } from '../support/process-agents.ts';
import { useRig } from '../support/rig.ts';

/** Servers of this file's own: they are killed and started again while the engine runs. */
const directory = join(stackRoot, 'recovery');
let start: Record<'postgres' | 'rabbitmq' | 'temporal', () => Promise<Server & { url?: string }>>;
const running = new Map<string, Server & { url?: string }>();
afterAll(async () => {
  await Promise.all([...running.values()].map((server) => server.stop()));
  await resetStack(directory);
});
const rig = useRig({ openServers, services: ['event_broker', 'agents_worker'] });
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
});

async function openServers() {
  await resetStack(directory);
  await mkdir(directory, { recursive: true });
  const ports = await choosePorts('free');
  start = {
    postgres: () => startPostgres({ directory, ports }),
    rabbitmq: () => startRabbitmq({ directory, ports }),
    temporal: () => startTemporal({ directory, toolsDirectory, ports }),
  };
  await Promise.all(Object.keys(start).map((name) => bringUp(name as keyof typeof start)));
  return {
    databaseUrl: urlOf('postgres'),
    amqpUrl: urlOf('rabbitmq'),
    managementUrl: `http://127.0.0.1:${ports.management}`,
    temporalAddress: `127.0.0.1:${ports.temporal}`,
  };
}

function urlOf(name: keyof typeof start): string {
  return running.get(name)?.url ?? '';
}

async function bringUp(name: keyof typeof start): Promise<void> {
  running.set(name, await start[name]());
}

const status = async (id: string): Promise<unknown> => {
  const { rows } = await rig.pool.query<{ status: string }>('select status from instances where id = $1', [id]);
  return rows[0]?.status;
};

const untilStatus = (id: string, wanted: string) =>
  vi.waitFor(async () => expect(await status(id)).toBe(wanted), { timeout: 60_000, interval: 50 });

async function survive(name: keyof typeof start, meanwhile?: () => Promise<void>): Promise<void> {
  const before = await rig.insertInstance(agentId);
  await untilStatus(before, 'running');

  await running.get(name)?.kill();
  // What is written while the bus or Temporal is away must not be lost.
  const during = name === 'postgres' ? undefined : await rig.insertInstance(agentId);
  await meanwhile?.();
  await bringUp(name);

  const after = await vi.waitFor(() => rig.insertInstance(agentId), { timeout: 30_000, interval: 100 });
  for (const id of [during, after]) if (id) await untilStatus(id, 'running');
  await rig.deleteInstance(before);
  await vi.waitFor(async () => expect(await rig.processes(before)).toHaveLength(0), { timeout: 60_000 });
  await rig.workflow(before).result();
  expect(rig.fatal).toEqual([]);
}

test.each(['postgres', 'temporal'] as const)('a crash of %s interrupts nothing for good', async (name) => {
  await survive(name);
});

test('a crash of rabbitmq interrupts nothing for good, also where an agent cannot be given its control queue', async () => {
  const restart = { policy: 'always', backoff_seconds: 0 };
  const listening = await rig.insertInstance(await rig.publishAgent({ control: true, restart }));
  await untilStatus(listening, 'running');
  await survive('rabbitmq', async () => {
    await killAgent(listening);
    await vi.waitFor(
      async () => {
        const { raw } = await rig.workflow(listening).describe();
        expect(raw.pendingActivities?.[0]?.lastFailure).toMatchObject({
          applicationFailureInfo: { type: 'ControlPlaneUnavailable' },
        });
      },
      { timeout: 30_000 },
    );
    expect(await rig.processes(listening)).toEqual([]);
  });
  await vi.waitFor(async () => expect(await rig.processes(listening)).toHaveLength(1), { timeout: 60_000 });
  const { rows } = await rig.pool.query(
    `select from event_log where entity_id = $1 and notification->'row_data'->>'status' = 'failed'`,
    [listening],
  );
  expect(rows).toEqual([]);
}, 180_000);

test('every queue of the catalog got its copies, also of what was written while the bus was away', async () => {
  const bus = await openBus(rig.environment.AMQP_URL);
  const { rows } = await rig.pool.query<{ count: string }>(
    "select count(distinct event_id) from event_log where notification->>'table' = 'instances'",
  );
  await vi.waitFor(async () => {
    const { messageCount } = await bus.channel.checkQueue('admin_backend.audit');
    expect(messageCount).toBeGreaterThanOrEqual(Number(rows[0]?.count));
  });
  await bus.close();
});
