import { z } from 'zod';
import { counter, type Queryable } from '../../../database/instances/view.ts';
import { createWhere, type IdRange } from '../../../database/where.ts';
import type { AuditEntry } from './schemas.ts';

export interface AuditFilter {
  instance?: IdRange | undefined;
  agentIds?: readonly string[] | undefined;
  user?: IdRange | undefined;
  type?: string | undefined;
  from?: Date | undefined;
  /** End of the time of the event: entries of this very time are left out. */
  to?: Date | undefined;
  before?: number | undefined;
}

/** Returns the newest entries first. */
export async function findEntries(
  database: Queryable,
  { instance, agentIds, user, type, from, to, before }: AuditFilter,
  limit: number,
): Promise<AuditEntry[]> {
  const where = createWhere();
  where.add(instance, where.within('instance_id'));
  where.add(agentIds, where.anyOf('agent_id'));
  where.add(user, where.within('user_id'));
  where.add(type, (value) => `type = ${where.parameter(value)}`);
  where.add(from, (time) => `occurred_at >= ${where.parameter(time)}`);
  where.add(to, (time) => `occurred_at < ${where.parameter(time)}`);
  where.add(before, (position) => `position < ${where.parameter(position)}`);
  const { rows } = await database.query<Omit<AuditEntry, 'body' | keyof Counters> & { body: string }>(
    `select position, event_id, type, occurred_at as time, instance_id, agent_id, user_id, sequence, correlation_id,
       causation_id, schema_version, desired_state, generation, observed_generation, body, recorded_at, hash
     from audit_log ${where.toString()} order by position desc limit ${where.parameter(limit)}`,
    where.values,
  );
  return rows.map((row) => ({ ...row, ...counters.parse(row), body: readBody(row.body) }));
}

const counters = z.object({
  position: counter,
  sequence: counter,
  generation: counter.nullable(),
  observed_generation: counter.nullable(),
});
type Counters = z.infer<typeof counters>;

function readBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
