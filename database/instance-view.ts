import type { ClientBase } from 'pg';
import { z } from 'zod';
import { desiredStates, instanceStatuses, reasonCodes } from '../contracts/names.ts';

/** A client or a pool. */
export type Queryable = Pick<ClientBase, 'query'>;

/** bigint comes as text; versions stay far below 2^53. */
const version = z.coerce.number();

export const statusReason = z.object({ code: z.enum(reasonCodes), message: z.string() });

/** A row of `instances` without its config, and what is known of its agent. */
export const instanceView = z.object({
  id: z.string(),
  status: z.enum(instanceStatuses),
  desired_state: z.enum(desiredStates),
  generation: version,
  observed_generation: version,
  sequence: version,
  agent_id: z.string(),
  /** Null when the agent was not published. */
  agent_name: z.string().nullable(),
  agent_version: z.string().nullable(),
  agent_retired: z.boolean(),
  /** What it runs on, as stored. */
  agent_runtime: z.string().nullable(),
  user_id: z.string(),
  reason: statusReason.nullable().catch(null),
  created_at: z.date(),
  updated_at: z.date(),
});
export type InstanceView = z.infer<typeof instanceView>;

/** To be continued with `where`, on `i`. Asks for no column of `agents` that says how an agent is run. */
export const instanceViewQuery = `
  select i.id, i.status, i.desired_state, i.generation, i.observed_generation, i.sequence, i.agent_id,
    a.name as agent_name, a.version as agent_version, a.retired_at is not null as agent_retired,
    k.runtime as agent_runtime, i.user_id, i.metadata -> 'status_reason' as reason, i.created_at, i.updated_at
  from instances i left join agents a on a.id = i.agent_id left join agent_runtimes k on k.agent_id = i.agent_id`;

/** @returns undefined when the row is gone */
export async function readInstance(database: Queryable, id: string): Promise<InstanceView | undefined> {
  const { rows } = await database.query(`${instanceViewQuery} where i.id = $1`, [id]);
  return rows[0] === undefined ? undefined : instanceView.parse(rows[0]);
}
