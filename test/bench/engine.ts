import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { endAgents } from '../../runtimes/process/end-agents.ts';
import { createMigratedDatabase, dropDatabase } from '../support/databases.ts';
import { managementApi } from '../support/management.ts';
import { openServiceLogins } from '../support/service-logins.ts';
import { withPath } from '../support/with-path.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';
import type { Bench } from './open-bench.ts';
import type { Lives } from './run-lifecycles.ts';
import { watchStatuses, type StatusWatch } from './status-watch.ts';

/** A database and a virtual host of their own, in which event_broker can run. */
export interface EngineHome {
  name: string;
  amqpUrl: string;
  pool: pg.Pool;
  /** A process with the logins of that service, started as in production. */
  start: (service: 'event_broker' | 'agents_worker') => WorkerProcess;
  close: () => Promise<void>;
}

/** The whole path: event_broker and agents_worker as processes of their own, and agents that do nothing. */
export interface Engine extends Lives {
  pool: pg.Pool;
  watch: StatusWatch;
  agentId: string;
  pids: Readonly<Record<'event_broker' | 'agents_worker', number>>;
  close: () => Promise<void>;
}

const programs = { event_broker: 'event-broker', agents_worker: 'agents-worker' } as const;

export async function openEngineHome(bench: Bench): Promise<EngineHome> {
  const { amqpUrl: brokerUrl, managementUrl, temporalAddress, workflowBundle } = bench;
  const name = `bench_${randomUUID().replaceAll('-', '')}`;
  const databaseUrl = await createMigratedDatabase(bench.databaseUrl, name);
  const management = managementApi(managementUrl, brokerUrl);
  await management('PUT', `vhosts/${name}`);
  const amqpUrl = withPath(brokerUrl, name);
  const logins = await openServiceLogins({ name, databaseUrl, amqpUrl, managementUrl });
  const agents = join(bench.directory, 'agents', name);
  await mkdir(agents, { recursive: true });
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });
  const processes: WorkerProcess[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(processes.map((started) => started.kill('SIGTERM')));
    await endAgents(agents);
    await pool.end();
    await management('DELETE', `vhosts/${name}`);
    await dropDatabase(bench.databaseUrl, name);
    // Workflows that are still open cost nothing without a worker, but the schedule would go on.
    await bench.temporal.schedule
      .getHandle(`sweeper/${name}`)
      .delete()
      .catch(() => undefined);
  };
  let closed: Promise<void> | undefined;
  const closeOnce = (): Promise<void> => (closed ??= close());
  // Whatever fails meanwhile, no process is left.
  bench.atEnd(closeOnce);
  return {
    name,
    amqpUrl,
    pool,
    start: (service) => {
      const started = startWorkerProcess(
        programs[service],
        {
          ...logins.of(service),
          TEMPORAL_ADDRESS: temporalAddress,
          TASK_QUEUE: name,
          RUNTIME_DIRECTORY: agents,
          WORKFLOW_BUNDLE: workflowBundle,
          // As in the Dockerfile.
          MALLOC_ARENA_MAX: '2',
          EVENT_BROKER_HEALTH_PORT: '0',
          AGENTS_WORKER_HEALTH_PORT: '0',
        },
        [],
        { programs: null },
      );
      processes.push(started);
      return started;
    },
    close: closeOnce,
  };
}

export async function openEngine(bench: Bench): Promise<Engine> {
  const home = await openEngineHome(bench);
  const { pool } = home;
  const watch = await watchStatuses(home.amqpUrl);
  const started = { event_broker: home.start('event_broker'), agents_worker: home.start('agents_worker') };
  const { rows } = await pool.query<{ id: string }>(
    `insert into agents (name, version, runtime)
     values ('sleep', '1', '{"kind": "process", "command": ["sleep", "100000"]}') returning id`,
  );
  const agentId = rows[0]?.id ?? '';
  const engine: Engine = {
    pool,
    watch,
    agentId,
    pids: { event_broker: started.event_broker.child.pid ?? 0, agents_worker: started.agents_worker.child.pid ?? 0 },
    begin: async (id) => {
      const isRunning = watch.next(id, ({ status }) => status === 'running');
      await pool.query('insert into instances (id, agent_id, user_id) values ($1, $2, $3)', [
        id,
        agentId,
        randomUUID(),
      ]);
      await isRunning;
    },
    end: async (id) => {
      const isStopped = watch.next(id, ({ status }) => status === 'stopped');
      await pool.query('delete from instances where id = $1', [id]);
      await isStopped;
    },
    close: async () => {
      await watch.close();
      await home.close();
    },
  };
  const first = randomUUID();
  const ended = Promise.race(
    Object.values(started).map(async (service) => {
      const code = await service.exit;
      throw new Error(`A process of the engine ended with ${String(code)}:\n${service.output()}`);
    }),
  );
  ended.catch(() => undefined);
  // Nothing is measured before one lifecycle was complete.
  await Promise.race([engine.begin(first).then(() => engine.end(first)), ended]);
  await delay(1_000);
  return engine;
}

/** The engine of all measurements that leave nothing behind. */
export function sharedEngine(bench: Bench): Promise<Engine> {
  return bench.once('shared engine', () => openEngine(bench));
}
