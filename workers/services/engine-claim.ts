import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { FatalError, supervise, type Session, type Supervised } from '../../bridge/supervise.ts';

export interface EngineClaimOptions {
  pool: Pool;
  namespace: string;
  /** Left out by a service that only talks to the engine: the namespace alone is compared, and nothing is written down. */
  taskQueue?: string;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  /** How often it is compared again: the owner of the database may have moved the engine. */
  intervalMs?: number;
}

export interface EngineClaim extends Supervised {
  /** Resolves once the database is known to be this engine's. */
  made: Promise<void>;
}

/**
 * Makes sure that one engine works on a database: the first one is written down, and every other one ends with a FatalError that
 * says how to move. Two would run two agents for every instance.
 */
export function startEngineClaim(options: EngineClaimOptions): EngineClaim {
  const { pool, namespace, taskQueue, logger, onFatal, intervalMs = 30_000 } = options;
  let succeed: () => void = () => undefined;
  const made = new Promise<void>((resolve) => {
    succeed = resolve;
  });

  const run = async ({ signal, ready }: Session): Promise<void> => {
    while (!signal.aborted) {
      await compare(pool, namespace, taskQueue);
      ready();
      succeed();
      await delay(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  };
  return { ...supervise({ name: 'engine_claim', logger, run, onFatal }), made };
}

/** Starts a part once the condition is met; until then the part is not ready. */
export function startAfter(name: string, condition: Promise<void>, start: () => Supervised): Supervised {
  let started: Supervised | undefined;
  let isStopped = false;
  void condition.then(() => {
    if (!isStopped) started = start();
  });
  return {
    name,
    get health() {
      return started?.health ?? { ready: false };
    },
    stop: async () => {
      isStopped = true;
      await started?.stop();
    },
  };
}

const undefinedObject = new Set(['42P01', '42883']);

/** @throws FatalError when another engine is written down, or the migrations were not run */
async function compare(pool: Pool, namespace: string, taskQueue: string | undefined): Promise<void> {
  const engine = await read(pool, namespace, taskQueue);
  if (!engine || (engine.namespace === namespace && (taskQueue ?? engine.task_queue) === engine.task_queue)) return;
  const own = `TEMPORAL_NAMESPACE=${namespace}${taskQueue === undefined ? '' : ` and TASK_QUEUE=${taskQueue}`}`;
  throw new FatalError(
    `The engine of this database has TEMPORAL_NAMESPACE=${engine.namespace} and TASK_QUEUE=${engine.task_queue}, and not ${own}. ` +
      'Two engines would run two agents for every instance: correct the setting, or give this engine another database. To move ' +
      'the database on purpose, stop every agents_worker of the old engine, run `delete from engine` as the owner of the ' +
      'database, and start again.',
  );
}

interface Engine {
  namespace: string;
  task_queue: string;
}

async function read(pool: Pool, namespace: string, taskQueue: string | undefined): Promise<Engine | undefined> {
  try {
    const { rows } =
      taskQueue === undefined
        ? await pool.query<Engine>('select namespace, task_queue from engine')
        : await pool.query<Engine>('select * from claim_engine($1, $2)', [namespace, taskQueue]);
    return rows[0];
  } catch (error) {
    if (!undefinedObject.has((error as { code?: string }).code ?? '')) throw error;
    throw new FatalError(
      'The database does not say which engine it belongs to. Run `npm run migrate`, then start again.',
      {
        cause: error,
      },
    );
  }
}
