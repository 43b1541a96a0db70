import type { Pool } from 'pg';
import { notFound } from '../../http/problem.ts';
import { refusalOf, type Explained } from '../../http/refusal.ts';
import { withTimesAsText } from '../../http/times.ts';
import type { Agent, AgentChange, ListedAgent, NewAgent } from './schemas.ts';

export async function listAgents(pool: Pool, name: string | undefined): Promise<ListedAgent[]> {
  const { rows } = await pool.query<Row<ListedAgent>>(
    `select ${listed} from agents a where $1::text is null or a.name = $1 order by a.name, a.created_at, a.id`,
    [name],
  );
  return rows.map(withTimesAsText);
}

/** @throws ProblemError if there is no such agent */
export function readAgent(pool: Pool, id: string): Promise<Agent> {
  return single(pool, id, `select ${all} from agents a where a.id = $1`);
}

/** @throws ProblemError if the id is taken, or the table refuses the row */
export function publishAgent(pool: Pool, { id, name, version, capabilities, runtime }: NewAgent): Promise<Agent> {
  return single(
    pool,
    id,
    `insert into agents as a (id, name, version, capabilities, runtime)
     values (coalesce($1, gen_random_uuid()), $2, $3, $4, $5) returning ${all}`,
    [name, version, JSON.stringify(capabilities), JSON.stringify(runtime)],
  );
}

/** @throws ProblemError if there is no such agent, or the table refuses the row */
export function changeAgent(pool: Pool, id: string, change: AgentChange): Promise<Agent> {
  const { name, version, capabilities, runtime } = change;
  return single(
    pool,
    id,
    `update agents a set name = coalesce($2, a.name), version = coalesce($3, a.version),
       capabilities = coalesce($4, a.capabilities), runtime = coalesce($5, a.runtime)
     where a.id = $1 returning ${all}`,
    [name, version, capabilities && JSON.stringify(capabilities), runtime && JSON.stringify(runtime)],
  );
}

/** An already retired agent keeps its original `retired_at`; only `drain` changes. @throws ProblemError if there is no such agent */
export function retireAgent(pool: Pool, id: string, drain: boolean): Promise<Agent> {
  const retired = 'retired_at = coalesce(a.retired_at, clock_timestamp()), drain = $2';
  return single(pool, id, `update agents a set ${retired} where a.id = $1 returning ${all}`, [drain]);
}

/** Undoes a retirement. @throws ProblemError if there is no such agent */
export function bringBackAgent(pool: Pool, id: string): Promise<Agent> {
  return single(pool, id, `update agents a set retired_at = null, drain = false where a.id = $1 returning ${all}`);
}

/** Without `runtime`, which may hold secrets. */
const listed = `a.id, a.name, a.version, a.capabilities, a.retired_at, a.drain, a.created_at, a.updated_at,
  (select count(*) from instances i where i.agent_id = a.id)::integer as instances`;
const all = `${listed}, a.runtime`;

type Row<Shown extends ListedAgent> = Omit<Shown, 'retired_at' | 'created_at' | 'updated_at'> & {
  retired_at: Date | null;
  created_at: Date;
  updated_at: Date;
};

/** @param id the first parameter of the statement, before `values` */
async function single(pool: Pool, id: string | undefined, text: string, values: unknown[] = []): Promise<Agent> {
  const { rows } = await pool.query<Row<Agent>>(text, [id, ...values]).catch((error: unknown) => {
    throw refusalOf(error, explained) ?? error;
  });
  if (!rows[0]) throw notFound(`agent ${id}`);
  return withTimesAsText(rows[0]);
}

const explained: Explained = {
  agents_pkey: [
    409,
    'agent_exists',
    'An agent with this id exists already. Change it with PATCH, or leave the id out.',
  ],
  agents_texts_at_most_1_mib: [
    422,
    'agent_too_large',
    'Name, version and capabilities are larger than 1 MiB together. Shorten them.',
  ],
};
