import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { pino } from 'pino';
import { beforeAll, inject, type ProvidedContext } from 'vitest';
import type { FatalError } from '../../supervision/errors.ts';
import { instanceWorkflowId, type ServiceName } from '../../contracts/names.ts';
import { endAgents } from '../../runtimes/process/end-agents.ts';
import { listProcesses } from '../../runtimes/process/process-table.ts';
import { readConfiguration } from '../../configuration/configuration.ts';
import { startAgentsWorker } from '../../workers/services/agents-worker.ts';
import { startDeployer } from '../../workers/services/deployer.ts';
import { startEventBroker } from '../../workers/services/event-broker.ts';
import type { Service, ServiceOptions } from '../../workers/services/service.ts';
import { openBus } from './bus.ts';
import { createMigratedDatabase, dropDatabase } from './databases.ts';
import { managementApi } from './management.ts';
import { replayAll } from './replay.ts';
import { openServiceLogins } from './service-logins.ts';
import { useOpened } from './use-opened.ts';
import { withPath } from './with-path.ts';
import { openTestPool } from './test-pool.ts';

export type Rig = Awaited<ReturnType<typeof openRig>>;

type EngineService = Extract<ServiceName, 'event_broker' | 'agents_worker' | 'deployer'>;

type Servers = ProvidedContext['servers'];

interface LogLine {
  msg: string;
  error?: string;
  reason?: string;
}

export interface RigOptions {
  servers?: Servers;
  /** Further settings of the engine. */
  settings?: Record<string, string>;
  /** Path of the bundled workflow code. */
  workflowBundle?: string;
  /** False where other workflow code than this one runs on the task queue. */
  replays?: boolean;
}

export interface UseRigOptions extends Omit<RigOptions, 'servers' | 'workflowBundle'> {
  /** Left out: the servers that all test files share. */
  openServers?: () => Promise<Servers>;
  /** Makes a bundle of workflow code and returns its path. Left out: the code as it is. */
  makeBundle?: () => Promise<string>;
  /** Further settings of the engine that are known only when the tests run, such as what an earlier hook has opened. */
  openSettings?: () => Record<string, string>;
  /** Services that are started, and ready, before the first test. */
  services?: readonly EngineService[];
}

/** A rig for the tests of a file, or of a `describe`. It opens before their first one and closes after the last one. */
export function useRig({ services = [], openServers, makeBundle, openSettings, ...options }: UseRigOptions = {}): Rig {
  const rig = useOpened(
    async () =>
      openRig({
        ...options,
        ...(openSettings && { settings: { ...options.settings, ...openSettings() } }),
        ...(openServers && { servers: await openServers() }),
        ...(makeBundle && { workflowBundle: await makeBundle() }),
      }),
    ({ close }) => close(),
  );
  if (services.length > 0) beforeAll(() => rig.startServices(services));
  return rig;
}

/** A database, a virtual host, a task queue and a folder of agents of a test's own, on the real servers. */
export async function openRig({
  servers = inject('servers'),
  settings = {},
  workflowBundle = inject('workflowBundle'),
  replays = true,
}: RigOptions = {}) {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const runtimeDirectory = settings['RUNTIME_DIRECTORY'] ?? (await mkdtemp(join(tmpdir(), 'instances-')));
  const databaseUrl = await createMigratedDatabase(servers.databaseUrl, name);
  const management = managementApi(servers.managementUrl, servers.amqpUrl);
  await management('PUT', `vhosts/${name}`);
  const environment = {
    DATABASE_URL: databaseUrl,
    AMQP_URL: withPath(servers.amqpUrl, name),
    TEMPORAL_ADDRESS: servers.temporalAddress,
    TASK_QUEUE: name,
    RUNTIME_DIRECTORY: runtimeDirectory,
    WORKFLOW_BUNDLE: workflowBundle,
    EVENT_BROKER_HEALTH_PORT: '0',
    AGENTS_WORKER_HEALTH_PORT: '0',
    DEPLOYER_HEALTH_PORT: '0',
    ...settings,
  };
  const configuration = readConfiguration(environment);
  const logins = await openServiceLogins({ name, ...servers, databaseUrl, amqpUrl: environment.AMQP_URL });
  const environmentOf = (service: ServiceName) => ({ ...environment, ...logins.of(service), ...settings });

  const pool = openTestPool({ connectionString: databaseUrl, max: 4 });
  const bus = await openBus(environment.AMQP_URL);
  const connection = await Connection.connect({ address: servers.temporalAddress });
  const client = new Client({ connection });
  const running = new Set<Service>();
  const clients: pg.Client[] = [];
  const log: LogLine[] = [];
  const logger = pino({}, { write: (line: string) => void log.push(JSON.parse(line) as LogLine) });
  const fatal: FatalError[] = [];

  const start = async (
    who: ServiceName,
    startService: (options: ServiceOptions) => Promise<Service>,
    own: Record<string, string> = {},
  ): Promise<Service> => {
    const service = await startService({
      configuration: readConfiguration({ ...environmentOf(who), ...own }),
      logger,
      onFatal: (error) => fatal.push(error),
    });
    running.add(service);
    return {
      ...service,
      stop: async () => {
        if (running.delete(service)) await service.stop();
      },
    };
  };

  const rig = {
    /** Settings with the logins of the servers' owner. */
    environment,
    configuration,
    /** Settings with the service's own logins, which have the least rights. */
    environmentOf,
    pool,
    bus,
    client,
    /** Fatal errors of the services started here. */
    fatal,
    /** Log entries of the services started here. */
    log,
    /** A connection of the caller's own, for a transaction of its own or for LISTEN. */
    connect: async () => {
      const own = new pg.Client(databaseUrl);
      own.on('error', () => undefined);
      clients.push(own);
      await own.connect();
      return own;
    },
    /** Bounds a queue more tightly than the catalog does, by a policy of the virtual host; null lifts it. */
    limitQueue: (queue: string, limits: object | null) =>
      limits === null
        ? management('DELETE', `policies/${name}/${queue}`)
        : management('PUT', `policies/${name}/${queue}`, {
            pattern: `^${queue.replaceAll('.', '\\.')}$`,
            definition: limits,
            'apply-to': 'queues',
          }),
    startEventBroker: () => start('event_broker', startEventBroker),
    /** `own`: settings of this one alone, such as a folder of its own. */
    startAgentsWorker: (own?: Record<string, string>) => start('agents_worker', startAgentsWorker, own),
    startDeployer: () => start('deployer', startDeployer),
    startServices: async (names: readonly EngineService[]) => {
      const starts = {
        event_broker: rig.startEventBroker,
        agents_worker: rig.startAgentsWorker,
        deployer: rig.startDeployer,
      };
      const services = await Promise.all(names.map((service) => starts[service]()));
      await Promise.all(services.map((service) => service.ready()));
    },
    startAll: () => rig.startServices(['event_broker', 'agents_worker']),
    /** Publishes an agent that the process runtime runs; a plain `sleep` unless told otherwise. */
    publishAgent: async (runtime: object = {}) => {
      const spec = { kind: 'process', command: ['sleep', '100000'], stop_grace_seconds: 2, ...runtime };
      const { rows } = await pool.query<{ id: string }>(
        `insert into agents (name, version, runtime) values ('test', '1', $1) returning id`,
        [spec],
      );
      return one(rows).id;
    },
    insertInstance: async (agentId: string, config: object = {}) => {
      const { rows } = await pool.query<{ id: string }>(
        'insert into instances (agent_id, user_id, config) values ($1, $2, $3) returning id',
        [agentId, randomUUID(), config],
      );
      return one(rows).id;
    },
    deleteInstance: (id: string) => pool.query('delete from instances where id = $1', [id]),
    workflow: (id: string) => client.workflow.getHandle(instanceWorkflowId(id)),
    /** Pids of all processes that run for an instance. */
    processes: async (id: string) => {
      const all = await listProcesses();
      return all.filter(({ instanceName }) => instanceName === `instance-${id}`).map(({ pid }) => pid);
    },
    /** Resolves once everything published before is on the bus, which a later event shows. */
    untilBusIsQuiet: async () => {
      const marker = await rig.publishAgent();
      await bus.until(marker, 'agent.published');
    },
    /** Stops the services started here, replays every workflow, and removes all resources. */
    close: async () => {
      await Promise.all([...running].map((service) => service.stop()));
      await client.schedule
        .getHandle(`sweeper/${name}`)
        .delete()
        .catch(() => undefined);
      try {
        if (replays) await replayAll(client, name, workflowBundle);
      } finally {
        for await (const { workflowId } of client.workflow.list({
          query: `TaskQueue = '${name}' and ExecutionStatus = 'Running'`,
        })) {
          await client.workflow.getHandle(workflowId).terminate('the test has ended');
        }
        await endAgents(runtimeDirectory);
        await bus.close();
        await connection.close();
        await Promise.all([pool.end(), ...clients.map((own) => own.end())]);
        await management('DELETE', `vhosts/${name}`);
        await logins.remove();
        await dropDatabase(servers.databaseUrl, name);
        await rm(runtimeDirectory, { recursive: true, force: true });
      }
    },
  };
  return rig;
}

export function one<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined || rows.length > 1) throw new Error(`expected one row, got ${rows.length}`);
  return row;
}
