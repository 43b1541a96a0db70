import { hostname } from 'node:os';
import type { ClientBase } from 'pg';

/** The only row of `event_broker_leader`, as a standby reads it. */
export interface LeaderRow {
  /** Counts the leaders so far. */
  epoch: string;
  /** Counts the renewals of the lease. */
  beats: string;
  /** Host and process of the leader; null when nobody leads. */
  holder: string | null;
  since: Date | null;
  /** False once the leader's connection to PostgreSQL has ended. */
  connected: boolean;
}

const holder = `${hostname()}, process ${process.pid}`;

/** A login that may not see the start of the leader's session compares only the process id. */
const holdersSession = `from pg_catalog.pg_stat_activity a
  where a.pid = l.backend_pid and coalesce(a.backend_start = l.backend_start, true)`;

export async function readLeader(client: ClientBase): Promise<LeaderRow> {
  const { rows } = await client.query<LeaderRow>(
    `select epoch, beats, holder, since, exists (select ${holdersSession}) as connected from event_broker_leader l`,
  );
  const [row] = rows;
  if (!row) throw new Error('The table event_broker_leader has lost its row. Insert one with epoch 0 and beats 0');
  return row;
}

/** @returns the new epoch, or undefined when the row changed since it was read */
export async function takeLeadership(client: ClientBase, { epoch, beats }: LeaderRow): Promise<string | undefined> {
  const { rows } = await client.query<{ epoch: string }>(
    `update event_broker_leader set epoch = epoch + 1, beats = 0, holder = $3, since = clock_timestamp(),
       backend_pid = pg_backend_pid(),
       backend_start = (select backend_start from pg_catalog.pg_stat_activity where pid = pg_backend_pid())
     where epoch = $1 and beats = $2 returning epoch`,
    [epoch, beats, holder],
  );
  return rows[0]?.epoch;
}

/** Ends the connection of a leader that no longer renews its lease, so that its remaining queries change nothing. */
export async function endSessionOf(client: ClientBase, { epoch, beats }: LeaderRow): Promise<void> {
  await client.query(
    `select pg_terminate_backend((select a.pid ${holdersSession})) from event_broker_leader l
     where epoch = $1 and beats = $2`,
    [epoch, beats],
  );
}

/** Renews the lease. @returns false when another process leads */
export async function beat(client: ClientBase, epoch: string): Promise<boolean> {
  const { rowCount } = await client.query('update event_broker_leader set beats = beats + 1 where epoch = $1', [epoch]);
  return rowCount === 1;
}

/** Lets a standby lead at once. */
export async function resign(client: ClientBase, epoch: string): Promise<void> {
  await client.query('update event_broker_leader set holder = null where epoch = $1', [epoch]);
}
