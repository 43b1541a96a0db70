import pRetry from 'p-retry';
import pg, { type Pool } from 'pg';
import type { Logger } from 'pino';
import { ContractViolation } from '../../../bridge/bus/incoming-event.ts';
import { errorMessage, FatalError } from '../../../supervision/errors.ts';
import type { AuditRecord } from './record.ts';

export interface AppenderOptions {
  pool: Pool;
  logger: Logger;
}

/**
 * Resolves as soon as the log has the entry, even if it had it before.
 *
 * @throws ContractViolation if PostgreSQL refuses the content; FatalError; the signal's reason when aborted
 */
export type Append = (record: AuditRecord, signal: AbortSignal) => Promise<void>;

interface Waiting {
  record: AuditRecord;
  signal: AbortSignal;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Appends in the order of the calls. Entries that arrive while a statement runs share the next one, because a commit takes
 * longer than an entry. It waits for a database that is unavailable.
 */
export function createAppender({ pool, logger }: AppenderOptions): Append {
  const waiting: Waiting[] = [];
  let isAtWork = false;

  const work = async (): Promise<void> => {
    isAtWork = true;
    while (waiting.length > 0) await settle(waiting.splice(0));
    isAtWork = false;
  };

  const settle = async (batch: Waiting[]): Promise<void> => {
    const [first, ...others] = batch;
    if (!first) return;
    try {
      const records = batch.map(({ record }) => record);
      await untilAppended({ pool, logger, records, signal: first.signal });
      for (const { resolve } of batch) resolve();
    } catch (error) {
      if (error instanceof ContractViolation && others.length > 0) {
        // One entry is invalid, and must not take the others with it.
        for (const each of batch) await settle([each]);
      } else for (const { reject } of batch) reject(error);
    }
  };

  return (record, signal) =>
    new Promise((resolve, reject) => {
      waiting.push({ record, signal, resolve, reject });
      if (!isAtWork) void work();
    });
}

interface UntilAppended extends AppenderOptions {
  records: AuditRecord[];
  signal: AbortSignal;
}

async function untilAppended({ pool, logger, records, signal }: UntilAppended): Promise<void> {
  const append = async (): Promise<void> => {
    try {
      await pool.query('select from append_audit_entries($1)', [JSON.stringify(records)]);
    } catch (error) {
      throw classified(error);
    }
  };
  await pRetry(append, {
    retries: Infinity,
    minTimeout: 100,
    maxTimeout: 10_000,
    randomize: true,
    signal,
    shouldRetry: ({ error }) => !(error instanceof ContractViolation || error instanceof FatalError),
    onFailedAttempt: ({ error }) => {
      if (error instanceof ContractViolation || error instanceof FatalError) return;
      logger.warn(
        { eventId: records[0]?.event_id, error: errorMessage(error) },
        'an audit entry was not taken; trying again',
      );
    },
  });
}

/**
 * Classes 22 and 23 mean that the content is invalid, except for a unique violation (23505): a transaction with an old snapshot
 * chooses a position that another one has taken. An undefined function or table means that the migration was forgotten.
 */
function classified(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const { code = '', message } = error;
  if (/^2[23]/.test(code) && code !== uniqueViolation)
    return new ContractViolation(`PostgreSQL refuses it: ${message}`, { cause: error });
  if (code === '42883' || code === '42P01') {
    const advice = 'Run `npm run migrate`, then start again.';
    return new FatalError(`The database has no audit log. ${advice}`, { cause: error });
  }
  return error;
}

const uniqueViolation = '23505';
