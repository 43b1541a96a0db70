import type { Pool, PoolClient } from 'pg';

export interface TransactionOptions {
  /** Of the request (https://www.w3.org/TR/trace-context/): the events of the transaction belong to its trace. */
  traceparent?: string | undefined;
}

/** Runs the work in one transaction, which is undone when it throws. */
export async function inTransaction<Result>(
  pool: Pool,
  { traceparent = '' }: TransactionOptions,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    if (traceparent) await client.query(`select set_config('events.traceparent', $1, true)`, [traceparent]);
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}
