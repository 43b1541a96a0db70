import pg, { type Pool } from 'pg';
import { notFound, ProblemError } from '../../http/problem.ts';
import { refusalOf } from '../../http/refusal.ts';
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
export async function readAgent(pool: Pool, id: string): Promise<Agent> {
  return single(await query(pool, `select ${all} from agents a where a.id = $1`, [id]), id);
}

/** @throws ProblemError if the id is taken, or the table refuses the row */
export async function publishAgent(pool: Pool, { id, name, version, capabilities, runtime }: NewAgent): Promise<Agent> {
  const rows = await query(
    pool,
    `insert into agents as a (id, name, version, capabilities, runtime)
     values (coalesce($1, gen_random_uuid()), $2, $3, $4, $5) returning ${all}`,
    [id, name, version, JSON.stringify(capabilities), JSON.stringify(runtime)],
  );
  return single(rows, id ?? '');
}

/** @throws ProblemError if there is no such agent, or the table refuses the row */
export async function changeAgent(pool: Pool, id: string, change: AgentChange): Promise<Agent> {
  const { name, version, capabilities, runtime } = change;
  const rows = await query(
    pool,
    `update agents a set name = coalesce($2, a.name), version = coalesce($3, a.version),
       capabilities = coalesce($4, a.capabilities), runtime = coalesce($5, a.runtime)
     where a.id = $1 returning ${all}`,
    [id, name, version, capabilities && JSON.stringify(capabilities), runtime && JSON.stringify(runtime)],
  );
  return single(rows, id);
}

/** An already retired agent keeps its original `retired_at`; only `drain` changes. @throws ProblemError if there is no such agent */
export async function retireAgent(pool: Pool, id: string, drain: boolean): Promise<Agent> {
  const rows = await query(
    pool,
    `update agents a set retired_at = coalesce(a.retired_at, clock_timestamp()), drain = $2
     where a.id = $1 returning ${all}`,
    [id, drain],
  );
  return single(rows, id);
}

/** Undoes a retirement. @throws ProblemError if there is no such agent */
export async function bringBackAgent(pool: Pool, id: string): Promise<Agent> {
  const rows = await query(
    pool,
    `update agents a set retired_at = null, drain = false where a.id = $1 returning ${all}`,
    [id],
  );
  return single(rows, id);
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

async function query(pool: Pool, text: string, values: unknown[]): Promise<Row<Agent>[]> {
  try {
    return (await pool.query<Row<Agent>>(text, values)).rows;
  } catch (error) {
    throw refusal(error) ?? refusalOf(error) ?? error;
  }
}

function single(rows: Row<Agent>[], id: string): Agent {
  const [row] = rows;
  if (!row) throw notFound(`agent ${id}`);
  return withTimesAsText(row);
}

/** Explains the constraints whose names do not tell enough. */
function refusal(error: unknown): ProblemError | undefined {
  switch (error instanceof pg.DatabaseError ? error.constraint : undefined) {
    case 'agents_pkey': {
      const detail = 'An agent with this id exists already. Change it with PATCH, or leave the id out.';
      return new ProblemError(409, 'agent_exists', detail, { cause: error });
    }
    case 'agents_texts_at_most_1_mib': {
      const detail = 'Name, version and capabilities are larger than 1 MiB together. Shorten them.';
      return new ProblemError(422, 'agent_too_large', detail, { cause: error });
    }
    default:
      return undefined;
  }
}
