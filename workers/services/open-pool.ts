import pg from 'pg';
import type { Logger } from 'pino';
import { clientsWith } from '../../database/engine-client.ts';
import { poolLimits } from '../../database/time-limits.ts';
import { countConnections } from '../../metrics/process.ts';

export interface PoolOptions {
  databaseUrl: string;
  /** Name in `pg_stat_activity`. */
  service: string;
  logger: Logger;
  /** Largest number of connections. */
  max?: number;
}

/** Opens connections to shared_psql when a query needs one. While the server is away, the query fails. */
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
  countConnections(pool);
  return pool;
}
