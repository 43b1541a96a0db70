import pg from 'pg';
import type { Logger } from 'pino';

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
    connectionTimeoutMillis: 5_000,
    // Shorter than the activities' own limit: an attempt that was given up cannot write later on.
    statement_timeout: 10_000,
    query_timeout: 12_000,
  });
  pool.on('error', (error) => logger.warn({ error: error.message }, 'an idle connection to PostgreSQL broke'));
  return pool;
}
