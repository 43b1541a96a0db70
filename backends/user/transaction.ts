import type { Pool, PoolClient } from 'pg';
import { refusalOf } from '../http/refusal.ts';

export interface TransactionOptions {
  /** `traceparent` of the request (https://www.w3.org/TR/trace-context/): the events that it causes belong to that trace. */
  traceparent: string | undefined;
}

/** @throws ProblemError for what the database refuses; the transaction then changed nothing */
export async function inTransaction<Result>(
  pool: Pool,
  { traceparent }: TransactionOptions,
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
    throw refusalOf(error, sentences) ?? error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

/** Of constraints of the table whose names say too little. */
const sentences = {
  instances_config_at_most_4_mib: 'config is larger than 4 MiB, as PostgreSQL writes it.',
};
