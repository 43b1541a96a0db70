import { z } from 'zod';
import type { Queryable } from '../instances/view.ts';

/** The functions of the migrations by which alone placements are written. They are safe to repeat. */

export interface PlacementWish {
  instanceId: string;
  /** The kind of runtime of the agent. */
  runtime: string;
  /** Labels that the host must have. */
  labels: Record<string, string>;
  /** Seconds after the end of the host's lease from which on the instance may be placed elsewhere; null for never. */
  replaceAfterSeconds: number | null;
}

const hostId = z.string();
const message = z.string();

const placed = z.discriminatedUnion('outcome', [
  z
    .object({ outcome: z.literal('placed'), host_id: hostId, left_host_id: hostId.nullable() })
    .transform(({ outcome, host_id, left_host_id }) => ({
      outcome,
      hostId: host_id,
      ...(left_host_id !== null && { leftHostId: left_host_id }),
    })),
  z
    .object({ outcome: z.literal('host_lost'), host_id: hostId, message })
    .transform((row) => ({ outcome: 'hostLost' as const, hostId: row.host_id, message: row.message })),
  z.object({ outcome: z.literal('no_host'), message }).transform((row) => ({ ...row, outcome: 'noHost' as const })),
  z.object({ outcome: z.literal('gone') }),
]);
type Placed = z.infer<typeof placed>;

/** Where the agent of an instance is to run. An instance without a host is given the one that has the fewest instances. */
export async function placeInstance(database: Queryable, wish: PlacementWish): Promise<Placed> {
  const { rows } = await database.query('select * from place_instance($1, $2, $3, $4)', [
    wish.instanceId,
    wish.runtime,
    wish.labels,
    wish.replaceAfterSeconds,
  ]);
  return placed.parse(rows[0]);
}

const located = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('none') }),
  z
    .object({ outcome: z.literal('on'), host_id: hostId })
    .transform((row) => ({ outcome: row.outcome, hostId: row.host_id })),
  z
    .object({ outcome: z.literal('host_lost'), host_id: hostId, message })
    .transform((row) => ({ outcome: 'hostLost' as const, hostId: row.host_id, message: row.message })),
]);
type Located = z.infer<typeof located>;

/** Where something of an instance may be that is to be removed. */
export async function locatePlacement(database: Queryable, instanceId: string): Promise<Located> {
  const { rows } = await database.query('select * from locate_placement($1)', [instanceId]);
  return located.parse(rows[0]);
}

/** The lost host of an instance that may be replaced, unless it is the one that the caller knows to be lost. */
export async function findUnheardLoss(
  database: Queryable,
  instanceId: string,
  knownHostId: string | undefined,
): Promise<{ hostId: string; message: string } | undefined> {
  const { rows } = await database.query<{ hostId: string; message: string }>(
    `select h.id as "hostId", format('The host %s is lost.', h.name) as message
     from placements p join hosts h on h.id = p.host_id
     where p.instance_id = $1 and h.id is distinct from $2 and h.lease_until < clock_timestamp() and (h.forgotten_at is not null
       or h.lease_until + make_interval(secs => p.replace_after_seconds) < clock_timestamp())`,
    [instanceId, knownHostId],
  );
  return rows[0];
}

/** Must be called after everything of the instance was removed on the host. */
export async function forgetPlacement(database: Queryable, instanceId: string, host: string): Promise<void> {
  await database.query('select forget_placement($1, $2)', [instanceId, host]);
}

export interface Placement {
  hostId: string;
  replaceAfterSeconds: number | null;
}

/** @returns undefined if the instance is placed nowhere */
export async function readPlacement(database: Queryable, instanceId: string): Promise<Placement | undefined> {
  const { rows } = await database.query<{ host_id: string; replace_after_seconds: number | null }>(
    'select host_id, replace_after_seconds from placements where instance_id = $1',
    [instanceId],
  );
  const [row] = rows;
  return row && { hostId: row.host_id, replaceAfterSeconds: row.replace_after_seconds };
}
