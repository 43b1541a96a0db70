import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { checkTopology } from '../../bridge/topology-check/check-topology.ts';
import { startEventBroker } from '../../workers/services/event-broker.ts';
import { startAgentsWorker } from '../../workers/services/agents-worker.ts';
import { readConfiguration } from '../../configuration/configuration.ts';
import type { Service, ServiceOptions } from '../../workers/services/service.ts';
import type { ServiceName } from '../../contracts/names.ts';
import { pino } from 'pino';
import { checkAmqp, checkDatabase } from '../../stack/own-servers.ts';
import { runInstances } from '../support/command-line.ts';
import { contractsCheck } from '../support/contracts-check.ts';
import { hasOpenssl, openAuthority, type ServerCertificate } from '../support/certificates.ts';
import { useRig } from '../support/rig.ts';
import { openTlsProxy } from '../support/tls-proxy.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

/** Which address the clients name, and which certificate the servers show. */
interface Variant {
  certificate: ServerCertificate;
  caFile: string;
  host?: string;
}

describe.skipIf(!hasOpenssl)('servers whose certificates a private CA signed', () => {
  const rig = useRig();
  let authority: ReturnType<typeof openAuthority>;
  let stranger: ReturnType<typeof openAuthority>;
  beforeAll(async () => {
    authority = openAuthority();
    stranger = openAuthority();
  });
  afterAll(async () => {
    authority[Symbol.dispose]();
    stranger[Symbol.dispose]();
  });

  /** All servers behind TLS, and the environment of a service that uses them. */
  async function openServers(service: ServiceName, { certificate, caFile, host = '127.0.0.1' }: Variant) {
    const servers = inject('servers');
    const plain: Record<string, string> = {
      ...rig.environmentOf(service),
      RABBITMQ_MANAGEMENT_URL: Object.assign(new URL(servers.managementUrl), login(servers.amqpUrl)).href,
    };
    const hostOf = (variable: string): string => new URL(plain[variable] ?? '').host;
    const opened: { port: number; [Symbol.asyncDispose]: () => Promise<void> }[] = [];
    const open = async (target: string, protocol?: 'postgres'): Promise<number> => {
      const proxy = await openTlsProxy({ ...certificate, target, ...(protocol && { protocol }) });
      opened.push(proxy);
      return proxy.port;
    };
    const [database, amqp, management, temporal] = [
      await open(hostOf('DATABASE_URL'), 'postgres'),
      await open(hostOf('AMQP_URL')),
      await open(hostOf('RABBITMQ_MANAGEMENT_URL')),
      await open(plain['TEMPORAL_ADDRESS'] ?? ''),
    ];
    const moved = (variable: string, protocol: string, port: number): string =>
      (plain[variable] ?? '').replace(/^\w+:\/\//, `${protocol}://`).replace(hostOf(variable), `${host}:${port}`);
    const environment = {
      ...plain,
      DATABASE_URL: moved('DATABASE_URL', 'postgres', database),
      DATABASE_CA_FILE: caFile,
      AMQP_URL: moved('AMQP_URL', 'amqps', amqp),
      AMQP_CA_FILE: caFile,
      RABBITMQ_MANAGEMENT_URL: moved('RABBITMQ_MANAGEMENT_URL', 'https', management),
      TEMPORAL_ADDRESS: `${host}:${temporal}`,
      TEMPORAL_TLS: 'true',
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: caFile,
    };
    return {
      environment,
      [Symbol.asyncDispose]: async () => {
        await Promise.all(opened.map((proxy) => proxy[Symbol.asyncDispose]()));
      },
    };
  }

  /** Starts a service here, with what it logs. */
  async function start(
    startService: (options: ServiceOptions) => Promise<Service>,
    environment: Record<string, string>,
  ) {
    const lines: string[] = [];
    const logger = pino({}, { write: (line: string) => void lines.push(line) });
    const service = await startService({
      configuration: readConfiguration(environment),
      logger,
      onFatal: (error) => void lines.push(`fatal ${error.message}`),
    });
    return { ...service, log: () => lines.join(''), [Symbol.asyncDispose]: () => service.stop() };
  }

  test('event_broker, agents_worker, migrations and commands work over all of them', async () => {
    const certificate = authority.sign();
    const { caFile } = authority;
    await using forBroker = await openServers('event_broker', { certificate, caFile });
    await using broker = await start(startEventBroker, forBroker.environment);
    await broker.ready();
    // By its name, with which the certificate is compared as well.
    await using forWorker = await openServers('agents_worker', { certificate, caFile, host: 'localhost' });
    await using worker = await start(startAgentsWorker, forWorker.environment);
    await worker.ready();

    const owner = {
      ...forBroker.environment,
      DATABASE_URL: withLogin(forBroker.environment.DATABASE_URL, rig.environment.DATABASE_URL),
      AMQP_URL: withLogin(forBroker.environment.AMQP_URL, rig.environment.AMQP_URL),
    };
    const migrated = startWorkerProcess('instances', owner, ['migrate']);
    const [checked, listed, letters] = await Promise.all([
      contractsCheck([], owner),
      runInstances(['list'], owner),
      runInstances(['dead-letters', 'list'], owner),
      checkDatabase(readConfiguration(owner).databaseUrl),
      checkAmqp(readConfiguration(owner).amqpUrl),
    ]);
    expect(checked.output).toMatch(/^AGREES/m);
    expect([listed, letters].map(({ code, errors }) => ({ code, errors }))).toEqual([
      { code: 0, errors: 'No instance fits.\n' },
      { code: 0, errors: 'No dead letter fits.\n' },
    ]);
    expect(await migrated.exit).toBe(0);
    expect(migrated.output()).toBe('The database is up to date.\n');
  });

  test.for(['another CA', 'another name'])(
    'a certificate of %s is refused, and the log says what to do',
    async (what) => {
      const isOther = what === 'another CA';
      const certificate = isOther ? stranger.sign() : authority.sign('DNS:elsewhere.example.com');
      const { caFile } = authority;
      const wayOut = (name: string): RegExp =>
        isOther ? new RegExp(`not trusted: .*${name}_CA`) : new RegExp(`for other names: .*Name the server in ${name}`);
      await using servers = await openServers('event_broker', { certificate, caFile });
      const { environment } = servers;
      const withPlainDatabase = (service: ServiceName) => {
        const { DATABASE_URL } = rig.environmentOf(service);
        return { ...environment, DATABASE_URL, DATABASE_CA_FILE: '' };
      };
      for (const [startService, settings, way] of [
        [startEventBroker, environment, wayOut('DATABASE')],
        [startEventBroker, withPlainDatabase('event_broker'), wayOut('AMQP')],
        // It asks Temporal before it asks RabbitMQ.
        [
          startAgentsWorker,
          withPlainDatabase('agents_worker'),
          isOther ? /not trusted: .*TEMPORAL_TLS_SERVER_CA/ : /Name the server in TEMP/,
        ],
      ] as const) {
        await using service = await start(startService, settings);
        await vi.waitUntil(() => service.log().includes('cannot do its work'), 20_000);
        expect(service.log()).toMatch(way);
        expect(service.log()).not.toMatch(/(lost its|has no) connection|fatal /);
      }
      const listed = await runInstances(['list'], environment);
      expect(listed).toMatchObject({ code: 1, errors: expect.stringMatching(wayOut('DATABASE')) as unknown });
      const watched = await runInstances(['watch'], environment);
      expect(watched).toMatchObject({ code: 1, errors: expect.stringMatching(wayOut('AMQP')) as unknown });
      const urls = urlsOf(environment);
      await expect(checkAmqp(urls.amqpUrl)).rejects.toThrow(wayOut('AMQP'));
      await expect(checkDatabase(urls.databaseUrl)).rejects.toThrow(wayOut('DATABASE'));
      await expect(checkTopology(urls)).rejects.toThrow(isOther ? /AMQP_CA/ : /Name the server in RABBITMQ_MANAGEMENT/);
    },
  );
});

function urlsOf(environment: Record<string, string>) {
  const { databaseUrl, amqpUrl } = readConfiguration(environment);
  const management = new URL(environment['RABBITMQ_MANAGEMENT_URL'] ?? '');
  management.searchParams.set('cacertfile', environment['AMQP_CA_FILE'] ?? '');
  return { databaseUrl, amqpUrl, managementUrl: management.href };
}

function login(url: string): { username: string; password: string } {
  const { username, password } = new URL(url);
  return { username, password };
}

function withLogin(url: string, other: string): string {
  return Object.assign(new URL(url), login(other)).href;
}
