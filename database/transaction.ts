import type { Pool, PoolClient } from 'pg';

/**
 * @param traceparent trace of the request (https://www.w3.org/TR/trace-context/), to which the events of the transaction
 * belong; undefined for a trace of its own
 * @throws whatever `work` throws, after everything was rolled back
 */
export async function inTransaction<Result>(
  pool: Pool,
  traceparent: string | undefined,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // Without a listener, a connection that breaks between two queries ends the process.
  const onError = (error: Error): void => void (broken = error);
  client.on('error', onError);
  try {
    await client.query('begin');
    await client.query(`select set_config('events.traceparent', $1, true)`, [traceparent ?? '']);
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((failed: Error) => (broken = failed));
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}
