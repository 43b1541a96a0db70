import { afterAll, beforeAll, expect, test } from 'vitest';
import { pino } from 'pino';
import { stopLimits } from '../../supervision/time-limits.ts';
import type { ServiceName } from '../../contracts/names.ts';
import { readConfiguration } from '../../configuration/configuration.ts';
import { startAgentsWorker } from '../../workers/services/agents-worker.ts';
import { startDeployer } from '../../workers/services/deployer.ts';
import { startEventBroker } from '../../workers/services/event-broker.ts';
import type { Service } from '../../workers/services/service.ts';
import { startAdminBackend } from '../support/admin-backend.ts';
import { startUserBackend } from '../support/backends.ts';
import { useRig } from '../support/rig.ts';
import { openTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const servers = ['RabbitMQ', 'PostgreSQL', 'Temporal'] as const;
type ServerName = (typeof servers)[number];

const rig = useRig();
let agentId: string;
const proxies = new Map<ServerName, TcpProxy>();

beforeAll(async () => {
  agentId = await rig.publishAgent();
  const { DATABASE_URL, AMQP_URL, TEMPORAL_ADDRESS } = rig.environment;
  proxies.set('PostgreSQL', await openTcpProxy(new URL(DATABASE_URL).host));
  proxies.set('RabbitMQ', await openTcpProxy(new URL(AMQP_URL).host));
  proxies.set('Temporal', await openTcpProxy(TEMPORAL_ADDRESS));
});
afterAll(async () => {
  for (const proxy of proxies.values()) await proxy.cut();
});

const addressOf = (server: ServerName): string => proxies.get(server)?.address ?? '';

function settingsOf(service: ServiceName): Record<string, string> {
  const environment = rig.environmentOf(service);
  return {
    ...environment,
    DATABASE_URL: Object.assign(new URL(environment.DATABASE_URL), { host: addressOf('PostgreSQL') }).href,
    AMQP_URL: Object.assign(new URL(environment.AMQP_URL), { host: addressOf('RabbitMQ') }).href,
    TEMPORAL_ADDRESS: addressOf('Temporal'),
  };
}

async function startAll(): Promise<Record<ServiceName, Service>> {
  const logger = pino({ level: 'silent' });
  const onFatal = (error: Error): void => expect.unreachable(error.message);
  const optionsOf = (service: ServiceName) => ({
    configuration: readConfiguration(settingsOf(service)),
    logger,
    onFatal,
  });
  const started = {
    event_broker: await startEventBroker(optionsOf('event_broker')),
    agents_worker: await startAgentsWorker(optionsOf('agents_worker')),
    user_backend: await startUserBackend(rig, settingsOf('user_backend')),
    admin_backend: await startAdminBackend(rig, settingsOf('admin_backend')),
    deployer: await startDeployer(optionsOf('deployer')),
  };
  for (const service of Object.values(started)) await service.ready();
  return started;
}

test.each(servers)(
  'a stop ends every service although %s no longer answers, in time for the process to end cleanly',
  async (name) => {
    const services = await startAll();
    await rig.bus.until(await rig.insertInstance(agentId), 'instance.updated', 'running');
    proxies.get(name)?.mute();
    // Work that the servers that still answer bring.
    const agents = [await rig.publishAgent(), await rig.publishAgent()];
    await rig.pool.query('update agents set retired_at = now(), drain = true where id = $1', [agents[0]]);
    const id = await rig.insertInstance(agentId);
    if (name !== 'PostgreSQL' && name !== 'RabbitMQ') await rig.bus.until(id, 'instance.created');
    const ends = Object.entries(services).map(async ([owner, service]) => {
      const since = Date.now();
      await service.stop();
      return { service: owner, isInTime: Date.now() - since < stopLimits.processMs };
    });
    const ended = await Promise.all(ends);
    await proxies.get(name)?.cut();
    await proxies.get(name)?.restore();
    expect(ended).toEqual(Object.keys(services).map((service) => ({ service, isInTime: true })));
  },
  120_000,
);
