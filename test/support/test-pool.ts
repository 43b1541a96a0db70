import pg from 'pg';

/** Connections of a test. The removal of its database may reach one of them while it is being closed, which is no error. */
export function openTestPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config);
  pool.on('error', () => undefined);
  return pool;
}
