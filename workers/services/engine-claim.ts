import { setTimeout as delay } from 'node:timers/promises';
import { isGrpcServiceError, type Client } from '@temporalio/client';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import {
  AnotherEngine,
  compareEngines,
  readNamespaceId,
  selectEngine,
  type EngineRow,
} from '../../bridge/signals/engine.ts';
import { grpcCodes } from '../../bridge/signals/temporal-refusal.ts';
import { explainUntrusted, UntrustedCertificate } from '../../certificates/untrusted-certificate.ts';
import { temporalCertificate } from '../../configuration/temporal.ts';
import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';

export interface EngineClaimOptions {
  pool: Pool;
  /** Client for the namespace in which the engine works. */
  client: Client;
  taskQueue: string;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  /** Interval of further comparisons, because the owner of the database may move the engine. */
  intervalMs?: number;
}

export interface EngineClaim extends Supervised {
  /** Resolves once the database belongs to this engine. */
  made: Promise<void>;
}

/**
 * Makes sure that only one engine works on a database, because two would run two agents for every instance. The database records
 * the first engine, and every other engine ends with a FatalError that says how to move.
 */
export function startEngineClaim(options: EngineClaimOptions): EngineClaim {
  const { logger, onFatal, intervalMs = 30_000 } = options;
  let succeed: () => void = () => undefined;
  const made = new Promise<void>((resolve) => {
    succeed = resolve;
  });

  const run = async ({ signal, ready }: Session): Promise<void> => {
    await claim(options);
    ready();
    succeed();
    while (!signal.aborted) {
      await delay(intervalMs, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await claim(options);
    }
  };
  return { ...supervise({ name: 'engine_claim', logger, run, onFatal }), made };
}

const undefinedObjects = new Set(['42P01', '42883']);

/** @throws FatalError when the database records another engine, lacks migrations, or the namespace does not exist */
async function claim({ pool, client, taskQueue }: EngineClaimOptions): Promise<void> {
  const { namespace } = client.options;
  try {
    const { rows } = await pool.query<EngineRow>(selectEngine);
    // This comparison needs no answer of Temporal, so it also reports a difference while Temporal is away.
    if (rows[0]) compareEngines(rows[0], { namespace, taskQueue });
    const namespaceId = await askForId(client);
    const claimed = await pool.query<EngineRow>('select * from claim_engine($1, $2, $3)', [
      namespace,
      taskQueue,
      namespaceId ?? null,
    ]);
    if (claimed.rows[0]) compareEngines(claimed.rows[0], { namespace, taskQueue, namespaceId });
  } catch (error) {
    if (error instanceof AnotherEngine) throw new FatalError(`${error.message} ${advice}`, { cause: error });
    if (!undefinedObjects.has((error as { code?: string }).code ?? '')) throw error;
    const missing = 'The database does not say which engine it belongs to. Run `npm run migrate`, then start again.';
    throw new FatalError(missing, { cause: error });
  }
}

const advice =
  'Two engines would run two agents for every instance: correct the setting, or give this engine another database. To move the ' +
  'database on purpose, stop every agents_worker of the old engine, run `delete from engine` as the owner of the database, and ' +
  'start again.';

const deadlineMs = 10_000;

async function askForId({ connection, options: { namespace } }: Client): Promise<string | undefined> {
  try {
    return await connection.withDeadline(Date.now() + deadlineMs, () => readNamespaceId(connection, namespace));
  } catch (error) {
    const message = `Temporal cannot be used (namespace ${namespace}): ${errorMessage(error)}.`;
    if (isGrpcServiceError(error) && error.code === grpcCodes.notFound) {
      throw new FatalError(`${message} Create the namespace, or correct TEMPORAL_NAMESPACE.`, { cause: error });
    }
    const untrusted = explainUntrusted(error, temporalCertificate());
    if (untrusted instanceof UntrustedCertificate) throw new CannotWork(untrusted.message, { cause: error });
    throw new CannotWork(`${message} Start it, or correct TEMPORAL_ADDRESS.`, { cause: error });
  }
}
