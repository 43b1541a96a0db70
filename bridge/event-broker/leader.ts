import { setInterval, setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { notificationChannels } from '../../contracts/names.ts';
import { createClient, type EngineClient } from '../../database/engine-client.ts';
import { UntrustedCertificate } from '../../certificates/untrusted-certificate.ts';
import { leaderLimits } from '../../database/time-limits.ts';
import { beat, endSessionOf, readLeader, resign, takeLeadership, type LeaderRow } from './leader-row.ts';
import { errorMessage, FatalError } from '../../supervision/errors.ts';
import { leadership } from './time-limits.ts';

export interface LeaderOptions {
  /** Address of PostgreSQL itself: LISTEN does not work through a pooler of transactions. */
  databaseUrl: string;
  logger: Logger;
  signal: AbortSignal;
  onNotification: () => void;
  /** Called whenever another process is found to lead, with a sentence about that leader. */
  onStandby: (leader: string) => void;
}

export interface Leader {
  client: EngineClient;
  /** Rejects when the connection breaks, or another process leads. */
  broken: Promise<never>;
  /** Must be called before anything is published. @throws Error when the lease was not renewed in time */
  assertHeld: () => void;
  close(): Promise<void>;
}

/**
 * Connects, waits until no other process leads, and listens for notifications.
 *
 * @throws FatalError when tables are missing, the login is refused or lacks rights, or a pooler answers; other errors of the
 *   connection with the setting to check
 */
export async function becomeLeader(options: LeaderOptions): Promise<Leader> {
  const { databaseUrl, signal, onNotification } = options;
  const client = createClient(
    {
      connectionString: databaseUrl,
      application_name: 'event_broker',
      keepAlive: true,
      connectionTimeoutMillis: leaderLimits.connectMs,
      query_timeout: leaderLimits.queryMs,
    },
    leaderLimits.session,
  );
  let fail: (error: Error) => void = () => undefined;
  const broken = new Promise<never>((_, reject) => {
    fail = reject;
  });
  broken.catch(() => undefined);
  client.on('error', fail);
  client.on('end', () => fail(new Error('PostgreSQL closed the connection')));
  // A server behind a half-open socket never answers.
  const close = (): Promise<void> => Promise.race([client.end().catch(() => undefined), delay(1_000)]);

  let lease: ReturnType<typeof keepLease> | undefined;
  try {
    await client.connect();
    if (client.isPooled) throw new Pooled();
    // This fails if the table or the right to it is missing.
    await client.query('update event_log_publications set published_at = published_at where false');
    const epoch = await waitForLeadership(client, options);
    const held = keepLease(client, epoch, fail);
    lease = held;
    client.on('notification', onNotification);
    for (const channel of notificationChannels) await client.query(`listen ${channel}`);
    signal.throwIfAborted();
    return {
      client,
      broken,
      assertHeld: held.assertHeld,
      close: async () => {
        held.end();
        await Promise.race([resign(client, epoch).catch(() => undefined), delay(1_000)]);
        await close();
      },
    };
  } catch (error) {
    lease?.end();
    await close();
    throw explain(error, databaseUrl);
  }
}

async function waitForLeadership(
  client: EngineClient,
  { signal, logger, onStandby }: Pick<LeaderOptions, 'signal' | 'logger' | 'onStandby'>,
): Promise<string> {
  let seen: LeaderRow | undefined;
  let seenAt = 0;
  let hasWaited = false;
  for (;;) {
    const row = await readLeader(client);
    if (seen?.epoch !== row.epoch || seen.beats !== row.beats) {
      seen = row;
      // The clock of this process is used, because clocks of hosts differ and are adjusted.
      seenAt = performance.now();
    }
    const silentMs = performance.now() - seenAt;
    const isFree = row.holder === null || !row.connected;
    if (isFree || silentMs >= leadership.leaseMs) {
      if (!isFree) await endSessionOf(client, row).catch(() => undefined);
      const epoch = await takeLeadership(client, row);
      if (epoch !== undefined) {
        if (row.holder !== null) {
          const why = row.connected ? 'gave no sign of life' : 'lost its connection to PostgreSQL';
          logger.warn({ silentMs: Math.round(silentMs) }, `event_broker took over from ${row.holder}, which ${why}`);
        }
        return epoch;
      }
    } else {
      const sentence = `event_broker on ${row.holder} leads since ${row.since?.toISOString()}`;
      if (!hasWaited) logger.info(`event_broker waits: ${sentence}`);
      hasWaited = true;
      onStandby(`${sentence}; its last sign of life came ${Math.round(silentMs / 1_000)} s ago`);
    }
    await delay(leadership.pollMs, undefined, { signal });
  }
}

/** Renews the lease for as long as this process and its connection work. */
function keepLease(client: EngineClient, epoch: string, fail: (error: Error) => void) {
  const ended = new AbortController();
  let renewedAt = performance.now();
  const keep = async (): Promise<void> => {
    for await (const _ of setInterval(leadership.beatMs, undefined, { signal: ended.signal })) {
      const sentAt = performance.now();
      if (!(await beat(client, epoch)))
        throw new Error('Another event_broker took over: this one gave no sign of life');
      renewedAt = sentAt;
    }
  };
  keep().catch((error: Error) => {
    if (!ended.signal.aborted) fail(error);
  });
  return {
    assertHeld: () => {
      const silentMs = Math.round(performance.now() - renewedAt);
      if (silentMs < leadership.fenceMs) return;
      throw new Error(`This event_broker was stopped or cut off for ${silentMs} ms: another one may lead`);
    },
    end: () => ended.abort(),
  };
}

class Pooled extends Error {}

const undefinedTable = '42P01';
const insufficientPrivilege = '42501';
const readOnlyTransaction = '25006';
const refusedLogin = new Set(['28000', '28P01', '3D000']);

/** Adds to an error of PostgreSQL what a person can do about it. */
function explain(error: unknown, databaseUrl: string): Error {
  const { host } = new URL(databaseUrl);
  if (error instanceof Pooled) {
    return new FatalError(
      `A connection pooler answers at ${host}, but event_broker needs a connection of its own. ` +
        'Set DATABASE_DIRECT_URL to the address of PostgreSQL itself.',
    );
  }
  if (error instanceof UntrustedCertificate) return error;
  const code = (error as { code?: string }).code ?? '';
  const because = { cause: error };
  if (code === undefinedTable) {
    return new FatalError(
      'The database lacks tables of event_broker. Run `npm run migrate`, then start again.',
      because,
    );
  }
  const message = `PostgreSQL at ${host} cannot be used: ${errorMessage(error)}.`;
  if (code === insufficientPrivilege) {
    const advice =
      'Name a login in DATABASE_URL that has the rights of the role event_broker, which npm run migrate makes.';
    return new FatalError(`${message} ${advice}`, because);
  }
  if (refusedLogin.has(code)) {
    return new FatalError(`${message} Check user, password and database in DATABASE_URL.`, because);
  }
  const advice = code === readOnlyTransaction ? 'It may be a standby: promote it' : 'Start it';
  return new Error(`${message} ${advice}, or correct DATABASE_URL.`, because);
}
