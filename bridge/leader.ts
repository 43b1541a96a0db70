import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { notificationChannels } from '../contracts/names.ts';
import { describe, FatalError } from './supervise.ts';

/** One advisory lock per database; any constant does, as long as every event_broker uses the same one. */
const leaderLockKey = 7_310_224;

export interface LeaderOptions {
  /** A direct connection: LISTEN and session locks do not survive a transaction-pooling proxy. */
  databaseUrl: string;
  signal: AbortSignal;
  /** Called on each notification. */
  onNotification: () => void;
  /** A query that is not answered by then gives the connection up: a half-open socket raises no error. */
  queryTimeoutMs?: number;
  /** How often a standby asks for the lock. */
  pollMs?: number;
}

export interface Leader {
  /** Holds the leader's lock: when this connection ends, so does the leadership. */
  client: pg.Client;
  /** Rejects when the connection breaks. */
  broken: Promise<never>;
  close(): Promise<void>;
}

/**
 * Connects, waits for the leader's lock and listens. A standby that polls also proves that its connection lives.
 *
 * @throws FatalError when the schema is missing, the login is refused or lacks rights; otherwise the connection's error
 */
export async function becomeLeader(options: LeaderOptions): Promise<Leader> {
  const { databaseUrl, signal, onNotification, queryTimeoutMs = 10_000, pollMs = 1_000 } = options;
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'event_broker',
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    query_timeout: queryTimeoutMs,
    // The server gives a leader up, and its lock free, when its host has vanished.
    options: '-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3',
  });
  const broken = new Promise<never>((_, reject) => {
    client.on('error', reject);
    client.on('end', () => reject(new Error('PostgreSQL closed the connection')));
  });
  broken.catch(() => undefined);
  // A half-open socket never answers the goodbye.
  const close = (): Promise<void> => Promise.race([client.end().catch(() => undefined), delay(1_000)]);

  try {
    await client.connect();
    // Tells that the table, or the right to it, is missing.
    await client.query('update event_log set published_at = published_at where false');
    while (!(await tryLock(client))) await delay(pollMs, undefined, { signal });
    client.on('notification', onNotification);
    for (const channel of notificationChannels) await client.query(`listen ${channel}`);
    return { client, broken, close };
  } catch (error) {
    await close();
    throw explain(error, databaseUrl);
  }
}

async function tryLock(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [
    leaderLockKey,
  ]);
  return rows[0]?.locked === true;
}

const undefinedTable = '42P01';
const insufficientPrivilege = '42501';
const refusedLogin = new Set(['28000', '28P01', '3D000']);

/** Says of an error of PostgreSQL what a person can do about it. */
function explain(error: unknown, databaseUrl: string): Error {
  const code = (error as { code?: string }).code ?? '';
  if (code === undefinedTable) {
    return new FatalError('The database has no event_log. Run `npm run migrate`, then start again.', { cause: error });
  }
  const message = `PostgreSQL at ${new URL(databaseUrl).host} cannot be used: ${describe(error)}.`;
  if (code === insufficientPrivilege) {
    return new FatalError(
      `${message} Name a login in DATABASE_URL that has the rights of the role event_broker, which npm run migrate makes.`,
      { cause: error },
    );
  }
  if (refusedLogin.has(code)) {
    return new FatalError(`${message} Check user, password and database in DATABASE_URL.`, { cause: error });
  }
  return new Error(`${message} Start it, or correct DATABASE_URL.`, { cause: error });
}
