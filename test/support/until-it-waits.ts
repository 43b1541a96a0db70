import type pg from 'pg';
import { expect, vi } from 'vitest';

/**
 * Begins work on a connection and resolves once it waits for a lock of another transaction. `result` never rejects.
 *
 * @param observer sees the locks of the database, on a connection of its own
 */
export async function untilItWaits<Result>(
  observer: Pick<pg.Client, 'query'>,
  client: pg.Client,
  work: () => Promise<Result>,
): Promise<{ result: Promise<unknown> }> {
  const { rows: pids } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const result = work().catch((error: unknown) => error);
  await vi.waitFor(async () => {
    const { rows } = await observer.query('select from pg_locks where pid = $1 and not granted', [pids[0]?.pid]);
    expect(rows).toHaveLength(1);
  });
  return { result };
}
