import pg from 'pg';
import type { Logger } from 'pino';
import { clientsWith } from '../../database/engine-client.ts';
import { poolLimits } from '../../database/time-limits.ts';

export interface PoolOptions {
  databaseUrl: string;
  /** Shown in `pg_stat_activity`. */
  service: string;
  logger: Logger;
  /** Connections at most. */
  max?: number;
}

/** Connections to shared_psql, made when they are needed: a server that is away fails the query that asks for one. */
export function openPool({ databaseUrl, service, logger, max = 10 }: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    application_name: service,
    max,
    connectionTimeoutMillis: poolLimits.connectMs,
    query_timeout: poolLimits.queryMs,
    keepAlive: true,
    Client: clientsWith(poolLimits.session),
  });
  pool.on('error', (error) => logger.warn({ error: error.message }, 'an idle connection to PostgreSQL broke'));
  return pool;
}
