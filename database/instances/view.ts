import type { ClientBase } from 'pg';
import { z } from 'zod';
import { json } from '../../contracts/fields.ts';
import { desiredStates, instanceStatuses, reasonCodes, versionPolicies } from '../../contracts/names.ts';
import { joinVersionToRun } from './version-to-run.ts';

/** A client or a pool. */
export type Queryable = Pick<ClientBase, 'query'>;

/** `pg` returns a bigint as text. The counters of a row stay far below 2^53, so a number holds them exactly. */
export const counter = z.coerce.number().pipe(z.int());

export const statusReason = z.object({ code: z.enum(reasonCodes), message: z.string() });
/** The reason of the status, which is stored in the metadata. Clients write metadata freely, so it may have any form. */
export const storedReason = statusReason.nullable().catch(null);

/** An instance without its metadata and config, and the public facts about its agent. */
export const instanceView = z.object({
  id: z.string(),
  status: z.enum(instanceStatuses),
  desired_state: z.enum(desiredStates),
  generation: counter,
  observed_generation: counter,
  sequence: counter,
  agent_id: z.string(),
  /** Null if the agent is not published. */
  agent_name: z.string().nullable(),
  /** The version that the instance is to run, and the one that new instances get. */
  agent_version: z.string().nullable(),
  stable_version: z.string().nullable(),
  /** Null if nothing runs. */
  running_version: z.string().nullable(),
  version_policy: z.enum(versionPolicies),
  /** Whether the version to run is not the stable one. */
  outdated: z.boolean(),
  agent_retired: z.boolean(),
  /** The kind of runtime, as stored in the version to run: it is not validated. */
  agent_runtime: z.string().nullable(),
  user_id: z.string(),
  /** Host that the instance is placed on. */
  host_id: z.string().nullable(),
  reason: storedReason,
  created_at: z.date(),
  updated_at: z.date(),
});
export type InstanceView = z.infer<typeof instanceView>;

export const listedInstance = instanceView.extend({ metadata: json('Metadata.') });
export type ListedInstance = z.infer<typeof listedInstance>;

/** All columns. The config may have 4 MiB and hold secrets. */
const instanceRow = listedInstance.extend({ config: json('Config.') });
export type InstanceRow = z.infer<typeof instanceRow>;

/** Nothing that tells how an agent is run is named here but its kind: user_backend may not read it. */
export const viewColumns = `i.id, i.status, i.desired_state, i.generation, i.observed_generation, i.sequence, i.agent_id,
  a.name as agent_name, v.version as agent_version, a.stable_version, i.running_version, i.version_policy,
  coalesce(v.version <> a.stable_version, false) as outdated, a.retired_at is not null as agent_retired,
  v.runtime as agent_runtime, i.user_id, i.host_id, i.metadata -> 'status_reason' as reason, i.created_at, i.updated_at`;

/** @param source the table, or the name of a statement of a `with` that returned its rows */
export function joinedWithAgents(source = 'instances'): string {
  return `${source} i left join agents a on a.id = i.agent_id ${joinVersionToRun('agent_version_runtimes')}`;
}

/** @returns the start of a query for whole rows, to be followed by a condition on `i` */
export function selectRows(source?: string): string {
  return `select ${viewColumns}, i.metadata, i.config from ${joinedWithAgents(source)}`;
}

export function firstRow({ rows: [row] }: { rows: unknown[] }): InstanceRow | undefined {
  return row === undefined ? undefined : instanceRow.parse(row);
}

/** Matches the instance `$1`, if it belongs to the user `$2`. A null for `$2` matches the instance of any user. */
export const isOwned = 'i.id = $1 and ($2::uuid is null or i.user_id = $2)';

/** @returns undefined if no such row exists */
export async function readInstanceView(database: Queryable, id: string): Promise<InstanceView | undefined> {
  const { rows } = await database.query(`select ${viewColumns} from ${joinedWithAgents()} where i.id = $1`, [id]);
  return rows[0] === undefined ? undefined : instanceView.parse(rows[0]);
}

/** @returns undefined if no such row exists, or if it belongs to another user than the given owner */
export async function readInstance(
  database: Queryable,
  id: string,
  ownerId: string | null = null,
): Promise<InstanceRow | undefined> {
  return firstRow(await database.query(`${selectRows()} where ${isOwned}`, [id, ownerId]));
}
