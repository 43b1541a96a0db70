import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { type FatalError } from '../../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../../supervision/supervise.ts';

export interface RetentionOptions {
  pool: Pool;
  /** Age at which an entry is removed. */
  days: number;
  logger: Logger;
  onFatal: (error: FatalError) => void;
}

const intervalMs = 60 * 60 * 1000;

/** The owner of the database sets a minimum, which `days` cannot undercut. */
async function readMinimumDays(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ days: number }>('select minimum_days as days from audit_retention');
  return rows[0]?.days ?? 0;
}

/** Removes old entries now and once an hour. Several replicas may run it. */
export function startRetention({ pool, days, logger, onFatal }: RetentionOptions): Supervised {
  const run = async ({ signal, ready }: Session): Promise<void> => {
    const minimumDays = await readMinimumDays(pool);
    if (days < minimumDays) {
      logger.warn(
        { days, minimumDays },
        'AUDIT_RETENTION_DAYS is less than audit_retention.minimum_days, for which entries are kept: the owner of the database may change it',
      );
    }
    while (!signal.aborted) {
      const before = new Date(Date.now() - days * 24 * 60 * 60 * 1000);
      const entries = await removeEntries(pool, before);
      if (entries > 0) logger.info({ entries, before }, 'old entries of the audit log were removed');
      ready();
      await delay(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  };
  return supervise({ name: 'audit_retention', logger, run, onFatal });
}

/**
 * Removes the entries that were recorded before a time.
 *
 * @param batchEntries limit for one statement, because appends wait for it
 * @returns the number of removed entries
 */
export async function removeEntries(pool: Pool, before: Date, batchEntries = 5_000): Promise<number> {
  for (let total = 0; ;) {
    const { rows } = await pool.query<{ removed: number }>('select remove_audit_entries($1, $2) as removed', [
      before,
      batchEntries,
    ]);
    const removed = rows[0]?.removed ?? 0;
    total += removed;
    if (removed < batchEntries) return total;
  }
}
