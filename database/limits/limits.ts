import { z } from 'zod';
import type { Queryable } from '../instances/view.ts';
import { createWhere } from '../where.ts';

/** How many instances a user or an agent may have. The database refuses what exceeds it, whoever inserts it. */

export const limitScopes = ['user', 'agent'] as const;
export type LimitScope = (typeof limitScopes)[number];

/** The nil UUID stands for the limit of all others in the unique index, so no user and no agent can have a limit by that id. */
const nil = '00000000-0000-0000-0000-000000000000';
export const canHaveLimit = (subject: string): boolean => subject !== nil;

/** A limit of one user or agent, or of all that have none of their own. */
export interface LimitKey {
  scope: LimitScope;
  /** Id of the user or of the agent; null for all that have no limit of their own. */
  subject: string | null;
}

const row = z
  .object({
    scope: z.enum(limitScopes),
    subject: z.string().nullable(),
    at_most: z.int().nullable(),
    changed_at: z.date(),
  })
  .transform(({ scope, subject, at_most: atMost, changed_at: changedAt }) => ({
    scope,
    subject,
    /** Null: no limit, although there is one for all others. */
    atMost,
    changedAt,
  }));
export type InstanceLimit = z.infer<typeof row>;

const columns = 'scope, subject, at_most, changed_at';
/** The expression of the unique index: the limit of all others comes first. */
const subjectKey = (subject: string): string => `coalesce(${subject}, '${nil}')`;

/** Lists the limits that were set, those of agents first. */
export async function listLimits(
  database: Queryable,
  { scope, after, limit }: { scope?: LimitScope | undefined; after?: LimitKey | undefined; limit: number },
): Promise<InstanceLimit[]> {
  const where = createWhere();
  where.add(scope, (value) => `scope = ${where.parameter(value)}`);
  where.add(
    after,
    (key) =>
      `(scope, ${subjectKey('subject')}) > (${where.parameter(key.scope)}, ${subjectKey(`${where.parameter(key.subject)}::uuid`)})`,
  );
  const { rows } = await database.query(
    `select ${columns} from instance_limits ${where.toString()}
     order by scope, ${subjectKey('subject')} limit ${where.parameter(limit)}`,
    where.values,
  );
  return z.array(row).parse(rows);
}

/** @param atMost is null for no limit. A limit of all others has a number. */
export async function setLimit(
  database: Queryable,
  { scope, subject }: LimitKey,
  atMost: number | null,
): Promise<InstanceLimit> {
  const { rows } = await database.query(
    `insert into instance_limits (scope, subject, at_most) values ($1, $2, $3)
     on conflict (scope, ${subjectKey('subject')}) do update set at_most = excluded.at_most, changed_at = excluded.changed_at
     returning ${columns}`,
    [scope, subject, atMost],
  );
  return row.parse(rows[0]);
}

/** @returns the limit as it was; undefined if there was none */
export async function removeLimit(
  database: Queryable,
  { scope, subject }: LimitKey,
): Promise<InstanceLimit | undefined> {
  const { rows } = await database.query(
    `delete from instance_limits where scope = $1 and subject is not distinct from $2::uuid returning ${columns}`,
    [scope, subject],
  );
  return row.optional().parse(rows[0]);
}

/** What a user may have and has. @returns undefined if nothing limits the user */
export async function readUserLimit(
  database: Queryable,
  userId: string,
): Promise<{ atMost: number; present: number } | undefined> {
  const { rows } = await database.query(
    `select l.at_most, (select count(*)::int from instances i where i.user_id = $1) as present
     from instance_limits l where l.scope = 'user' and ${subjectKey('l.subject')} in ($1, '${nil}')
     order by l.subject nulls last limit 1`,
    [userId],
  );
  const found = z.object({ at_most: z.int().nullable(), present: z.int() }).optional().parse(rows[0]);
  if (!found || found.at_most === null) return undefined;
  return { atMost: found.at_most, present: found.present };
}
