import type { Pool } from 'pg';
import type { InstanceStatus } from '../../contracts/names.ts';
import { encodeCursor, toTimestamp, type Cursor } from './cursor.ts';
import { selectSummaries, toSummary } from './instance-rows.ts';
import type { InstanceSummary } from './schemas.ts';

export interface ListOptions {
  status?: InstanceStatus | undefined;
  agentId: string | undefined;
  /** Of all users when undefined. */
  userId: string | undefined;
  limit: number;
  cursor?: Cursor | undefined;
}

export interface Page {
  instances: InstanceSummary[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/** The newest first. Instances that are created meanwhile come before the first page and disturb none after it. */
export async function listInstances(
  pool: Pool,
  { status, agentId, userId, limit, cursor }: ListOptions,
): Promise<Page> {
  const { rows } = await pool.query<{ id: string; created_at_microseconds: string }>(
    `${selectSummaries}
     where ($1::text is null or i.status = $1) and ($2::uuid is null or i.agent_id = $2)
       and ($3::uuid is null or i.user_id = $3)
       and ($4::timestamptz is null or (i.created_at, i.id) < ($4, $5::uuid))
     order by i.created_at desc, i.id desc limit $6`,
    [status, agentId, userId, cursor && toTimestamp(cursor), cursor?.id, limit + 1],
  );
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    instances: rows.slice(0, limit).map(toSummary),
    next_cursor: last ? encodeCursor({ microseconds: BigInt(last.created_at_microseconds), id: last.id }) : null,
  };
}
