import type { ClientBase, Pool } from 'pg';
import type { AuditRecord } from './record.ts';

export interface IdRange {
  lowest: string;
  /** The same as the lowest where one id is meant. */
  highest: string;
}

export interface AuditFilter {
  instance?: IdRange | undefined;
  /** Any of these. */
  agentIds?: readonly string[] | undefined;
  user?: IdRange | undefined;
  type?: string | undefined;
  /** When the event happened: not before that time, */
  from?: Date | undefined;
  /** and before that one. */
  to?: Date | undefined;
  /** Only entries before that position. */
  before?: number | undefined;
}

/** An entry as it is shown. */
export interface AuditEntry extends Omit<AuditRecord, 'occurred_at' | 'body' | 'agent_id'> {
  position: number;
  /** Null where the log says that entries of its own were removed. */
  agent_id: string | null;
  /** When the event happened. */
  time: Date;
  /** A text where it is no JSON, which no event is: somebody has changed it. */
  body: unknown;
  recorded_at: Date;
  hash: string;
}

/** The newest first. */
export async function findEntries(
  client: Pick<ClientBase | Pool, 'query'>,
  { instance, agentIds, user, type, from, to, before }: AuditFilter,
  limit: number,
): Promise<AuditEntry[]> {
  const values: unknown[] = [];
  const parameter = (value: unknown): string => `$${values.push(value)}`;
  // An equality lets an index give the order, too.
  const within = (column: string, { lowest, highest }: IdRange): string =>
    lowest === highest
      ? `${column} = ${parameter(lowest)}`
      : `${column} between ${parameter(lowest)} and ${parameter(highest)}`;
  const conditions = [
    instance && within('instance_id', instance),
    agentIds &&
      (agentIds.length === 1 ? `agent_id = ${parameter(agentIds[0])}` : `agent_id = any (${parameter(agentIds)})`),
    user && within('user_id', user),
    type !== undefined && `type = ${parameter(type)}`,
    from && `occurred_at >= ${parameter(from)}`,
    to && `occurred_at < ${parameter(to)}`,
    before !== undefined && `position < ${parameter(before)}`,
  ].filter((condition) => typeof condition === 'string');
  const { rows } = await client.query<Row>(
    `select position, event_id, type, occurred_at as time, instance_id, agent_id, user_id, sequence, correlation_id,
       causation_id, schema_version, desired_state, generation, observed_generation, body, recorded_at, hash
     from audit_log ${conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''}
     order by position desc limit ${parameter(limit)}`,
    values,
  );
  return rows.map(toEntry);
}

/** As `pg` reads it: bigint comes as text. */
type Row = Omit<AuditEntry, 'body' | 'position' | 'sequence' | 'generation' | 'observed_generation'> & {
  body: string;
  position: string;
  sequence: string;
  generation: string | null;
  observed_generation: string | null;
};

function toEntry({ body, position, sequence, generation, observed_generation: observed, ...row }: Row): AuditEntry {
  return {
    ...row,
    position: Number(position),
    sequence: Number(sequence),
    generation: generation === null ? null : Number(generation),
    observed_generation: observed === null ? null : Number(observed),
    body: readBody(body),
  };
}

function readBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
