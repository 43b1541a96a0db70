import { z } from 'zod';
import type { InstanceStatus } from '../../contracts/names.ts';
import { createWhere, type IdRange } from '../where.ts';
import { joinedWithAgents, listedInstance, viewColumns, type ListedInstance, type Queryable } from './view.ts';

/** A filter that is left out matches every instance. */
export interface InstanceFilter {
  status?: InstanceStatus | undefined;
  agentIds?: readonly string[] | undefined;
  users?: IdRange | undefined;
  limit: number;
  /** Where the page before ended. */
  after?: Place | undefined;
}

/** Position of an instance in the list. PostgreSQL orders times by microseconds, which `Date` would cut off. */
export interface Place {
  /** Time of creation, in microseconds since 1970. */
  microseconds: bigint;
  id: string;
}

export interface InstancePage {
  instances: ListedInstance[];
  /** Undefined on the last page. */
  next: Place | undefined;
}

const place = z.object({ microseconds: z.string().transform(BigInt), id: z.string() });

/** Lists the newest first. An instance that is created meanwhile precedes the first page and shifts no later one. */
export async function listInstances(database: Queryable, filter: InstanceFilter): Promise<InstancePage> {
  const { status, agentIds, users, limit, after } = filter;
  const where = createWhere();
  where.add(status, (value) => `i.status = ${where.parameter(value)}`);
  where.add(agentIds, where.anyOf('i.agent_id'));
  where.add(users, where.within('i.user_id'));
  where.add(after, ({ microseconds, id }) => {
    const time = `'epoch'::timestamptz + ${where.parameter(microseconds)} * interval '1 microsecond'`;
    return `(i.created_at, i.id) < (${time}, ${where.parameter(id)})`;
  });
  const { rows } = await database.query(
    `select ${viewColumns}, i.metadata, (extract(epoch from i.created_at) * 1000000)::bigint as microseconds
     from ${joinedWithAgents()} ${where.toString()}
     order by i.created_at desc, i.id desc limit ${where.parameter(limit + 1)}`,
    where.values,
  );
  const shown = rows.slice(0, limit);
  return {
    instances: shown.map((row) => listedInstance.parse(row)),
    next: rows.length > limit ? place.parse(shown.at(-1)) : undefined,
  };
}
