import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Connection } from '@temporalio/client';
import pg from 'pg';
import { runCommand } from '../../../stack/command.ts';
import { endProcess, type ProcessReference } from '../../../stack/process-reference.ts';
import { spawnServer, untilReady } from '../../../stack/server.ts';
import { until } from '../../../stack/until.ts';
import { ensureSearchAttributes } from '../../../workers/services/search-attributes.ts';
import { readComposeFile } from '../compose-file.ts';
import { dropDatabase } from '../databases.ts';
import { freePorts } from '../kubernetes/free-ports.ts';
import type { TemporalServerPrograms } from './temporal-server.ts';

const services = ['frontend', 'history', 'matching', 'worker'] as const;
export type TemporalService = (typeof services)[number];

/** One process that has one role of Temporal. */
export interface TemporalRole {
  name: string;
  /** `host:port` at which the role answers gRPC. */
  address: string;
  /** Port at which a frontend answers HTTP. */
  httpPort: number;
  start: () => Promise<void>;
  kill: () => Promise<void>;
  /** The process stands still: it keeps its connections, and its kernel accepts new ones. */
  pause: () => void;
  resume: () => void;
}

export type TemporalCluster = Awaited<ReturnType<typeof startTemporalCluster>>;

const namespace = 'default';
const dynamicConfig = fileURLToPath(new URL('../../../compose/temporal.yaml', import.meta.url));

/**
 * Temporal with a process for each role, on databases of its own of a PostgreSQL server. It is configured as docker-compose.yml configures
 * the one container that has all roles: with the same variables, the same number of shards and the same dynamic configuration.
 */
export async function startTemporalCluster({
  directory,
  programs,
  databaseUrl,
  roles,
}: {
  /** Holds logs and records of processes. */
  directory: string;
  programs: TemporalServerPrograms;
  /** Of a login that may create databases. */
  databaseUrl: string;
  /** How many processes have the role. */
  roles: Record<TemporalService, number>;
}) {
  const id = randomUUID().replaceAll('-', '');
  const databases = { default: `test_temporal_${id}`, visibility: `test_temporal_visibility_${id}` };
  await createTables({ programs, databaseUrl, databases });
  const settings = await settingsOf(databaseUrl, databases);
  const names = services.flatMap((service) =>
    Array.from({ length: roles[service] }, (_, index) => ({ service, name: `${service}-${index + 1}` })),
  );
  const ports = await freePorts(3 * names.length);
  const all = names.map(({ service, name }, index) => {
    const [grpc = 0, membership = 0, http = 0] = ports.slice(3 * index);
    return {
      service,
      ...roleOf({ directory, program: programs.server, service, name, settings, grpc, membership, http }),
    };
  });
  const cluster = {
    of: (service: TemporalService): TemporalRole[] => all.filter((role) => role.service === service),
    stop: async (): Promise<void> => {
      await Promise.all(all.map((role) => role.kill()));
      for (const name of Object.values(databases)) await dropDatabase(databaseUrl, name);
      rmSync(directory, { recursive: true, force: true });
    },
  };
  try {
    // Each process writes down what the cluster is when it starts. One that does so at the same time as another ends.
    for (const role of all) await role.start();
    for (const { address } of cluster.of('frontend')) await makeNamespace(address);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

/** What the container of docker-compose.yml is given, with other addresses. */
async function settingsOf(
  databaseUrl: string,
  databases: { default: string; visibility: string },
): Promise<Record<string, string>> {
  const { temporal } = await readComposeFile();
  const { hostname, port, username, password } = new URL(databaseUrl);
  return {
    ...temporal?.environment,
    POSTGRES_SEEDS: hostname,
    DB_PORT: port,
    POSTGRES_USER: username,
    POSTGRES_PWD: decodeURIComponent(password),
    DBNAME: databases.default,
    VISIBILITY_DBNAME: databases.visibility,
    // All processes share the connections of one small server.
    SQL_MAX_CONNS: '10',
    SQL_MAX_IDLE_CONNS: '10',
    SQL_VIS_MAX_CONNS: '4',
    SQL_VIS_MAX_IDLE_CONNS: '4',
    BIND_ON_IP: '127.0.0.1',
    DYNAMIC_CONFIG_FILE_PATH: dynamicConfig,
  };
}

/** As the service temporal-schema of docker-compose.yml. */
async function createTables({
  programs: { sqlTool },
  databaseUrl,
  databases,
}: {
  programs: TemporalServerPrograms;
  databaseUrl: string;
  databases: { default: string; visibility: string };
}): Promise<void> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    for (const name of Object.values(databases)) await client.query(`create database ${name}`);
  } finally {
    await client.end();
  }
  const { hostname, port, username, password } = new URL(databaseUrl);
  const login = {
    SQL_PLUGIN: 'postgres12',
    SQL_HOST: hostname,
    SQL_PORT: port,
    SQL_USER: username,
    SQL_PASSWORD: decodeURIComponent(password),
  };
  for (const [schema, database] of Object.entries({ temporal: databases.default, visibility: databases.visibility })) {
    const run = (...args: string[]): Promise<string> =>
      runCommand('env', [...assignments({ ...login, SQL_DATABASE: database }), sqlTool, ...args]);
    await run('setup-schema', '--version', '0.0');
    await run('update-schema', '--schema-name', `postgresql/v12/${schema}`);
  }
}

function roleOf({
  directory,
  program,
  service,
  name,
  settings,
  grpc,
  membership,
  http,
}: {
  directory: string;
  program: string;
  service: TemporalService;
  name: string;
  settings: Record<string, string>;
  grpc: number;
  membership: number;
  http: number;
}): TemporalRole {
  const folder = join(directory, name);
  const prefix = service.toUpperCase();
  const variables = {
    ...settings,
    TEMPORAL_SERVICES: service,
    [`${prefix}_GRPC_PORT`]: String(grpc),
    [`${prefix}_MEMBERSHIP_PORT`]: String(membership),
    ...(service === 'frontend' && { FRONTEND_HTTP_PORT: String(http) }),
  };
  const address = `127.0.0.1:${grpc}`;
  let running: ProcessReference | undefined;
  const send = (signal: NodeJS.Signals): void => {
    if (running) process.kill(running.pid, signal);
  };
  return {
    name,
    address,
    httpPort: http,
    start: async () => {
      mkdirSync(folder, { recursive: true });
      const command = ['env', ...assignments(variables), program, 'start'];
      const logFile = join(directory, 'logs', `${name}.log`);
      const [first = '', ...args] =
        // A test run that is killed takes the processes along.
        process.platform === 'linux' ? ['setpriv', '--pdeathsig=KILL', ...command] : command;
      const reference = await spawnServer({ command: first, args, logFile, recordFile: join(folder, 'process.json') });
      running = reference;
      await untilReady({ name: `Temporal's ${name}`, reference, logFile, probe: () => answers(address) });
    },
    kill: async () => {
      if (running) await endProcess(running, { signal: 'SIGKILL' });
      running = undefined;
    },
    pause: () => send('SIGSTOP'),
    resume: () => send('SIGCONT'),
  };
}

/** Every role has the health check of gRPC. */
async function answers(address: string): Promise<void> {
  const connection = Connection.lazy({ address });
  try {
    await connection.withDeadline(Date.now() + 2_000, () => connection.healthService.check({}));
  } finally {
    await connection.close();
  }
}

/** As the service temporal-namespace of docker-compose.yml. Resolves once the frontend knows the namespace and its search attributes. */
async function makeNamespace(address: string): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: '30s' });
  let reason: unknown;
  const isMade = async (): Promise<boolean> => {
    try {
      await connection.workflowService
        .registerNamespace({ namespace, workflowExecutionRetentionPeriod: { seconds: 24 * 60 * 60 } as never })
        .catch((error: unknown) => {
          if (!String(error).includes('already exists')) throw error;
        });
      await connection.workflowService.describeNamespace({ namespace });
      await ensureSearchAttributes(connection, namespace);
      return true;
    } catch (error) {
      reason = error;
      return false;
    }
  };
  try {
    if (!(await until(isMade, 90_000))) throw new Error(`${address} has no namespace: ${String(reason)}`);
  } finally {
    await connection.close();
  }
}

function assignments(variables: Record<string, string>): string[] {
  return Object.entries(variables).map(([name, value]) => `${name}=${value}`);
}
