import { z } from 'zod';
import { instance, instanceSummary, type Instance, type InstanceSummary } from './schemas.ts';

const fields = `i.id, i.agent_id, a.name as agent_name, a.version as agent_version,
  a.retired_at is not null as agent_retired, i.user_id, i.desired_state, i.status,
  i.metadata -> 'status_reason' as reason, i.metadata, i.generation, i.observed_generation, i.sequence, i.created_at,
  i.updated_at, (extract(epoch from i.created_at) * 1000000)::bigint as created_at_microseconds`;
const joined = (source: string) => `from ${source} i left join agents a on a.id = i.agent_id`;

/** Instances and what is known of their agents; to be continued with `where` on `i`. */
export const selectSummaries = `select ${fields} ${joined('instances')}`;
export const selectInstances = selectFrom('instances');

/** The same of rows that a statement in a `with` returned. */
export function selectFrom(source: string): string {
  return `select ${fields}, i.config ${joined(source)}`;
}

/** bigint comes as text; versions stay far below 2^53. */
const version = z.coerce.number();
const time = z.date().transform((date) => date.toISOString());
const ofRow = {
  generation: version,
  observed_generation: version,
  sequence: version,
  created_at: time,
  updated_at: time,
  // Whoever writes to the table itself may have put anything there.
  reason: instanceSummary.shape.reason.catch(null),
};
const summaryRow = instanceSummary.extend(ofRow);
const instanceRow = instance.extend(ofRow);

export function toSummary(row: unknown): InstanceSummary {
  return summaryRow.parse(row);
}

export function toInstance(row: unknown): Instance {
  return instanceRow.parse(row);
}
