import type { Pool } from 'pg';
import { refusals } from '../../../database/agents/versions.ts';
import { checkStrategy } from '../../../database/rollouts/request.ts';
import { notFound } from '../../http/problem.ts';
import { refusalOf, type Explained } from '../../http/refusal.ts';
import { withTimesAsText } from '../../http/times.ts';
import { refusedRollout } from '../rollouts/refused-rollout.ts';
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
export async function publishAgent(
  pool: Pool,
  { id, name, version, capabilities, runtime, rollout = null }: NewAgent,
): Promise<Agent> {
  const strategy = rollout && strategyToJson(rollout);
  return single(
    pool,
    id,
    `insert into agents as a (id, name, version, capabilities, runtime, rollout)
     values (coalesce($1, gen_random_uuid()), $2, $3, $4, $5, $6) returning ${all}`,
    [name, version, JSON.stringify(capabilities), JSON.stringify(runtime), strategy],
  );
}

/** @throws ProblemError if there is no such agent, or the table refuses the row */
export async function changeAgent(pool: Pool, id: string, change: AgentChange): Promise<Agent> {
  const { name, version, capabilities, runtime, rollout } = change;
  const strategy = rollout && strategyToJson(rollout);
  return single(
    pool,
    id,
    `update agents a set name = coalesce($2, a.name), version = coalesce($3, a.version),
       capabilities = coalesce($4, a.capabilities), runtime = coalesce($5, a.runtime),
       rollout = case when $6 then $7 else a.rollout end
     where a.id = $1 returning ${all}`,
    [
      name,
      version,
      capabilities && JSON.stringify(capabilities),
      runtime && JSON.stringify(runtime),
      rollout !== undefined,
      strategy,
    ],
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
const listed = `a.id, a.name, a.version, a.stable_version, a.capabilities, a.rollout, a.retired_at, a.drain, a.created_at, a.updated_at,
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
    throw problemOf(error);
  });
  if (!rows[0]) throw notFound(`agent ${id}`);
  return withTimesAsText(rows[0]);
}

/** The times of a version are unknown here, so that its rollout may still be refused. @throws ProblemError */
function strategyToJson(strategy: object): string {
  try {
    return checkStrategy(strategy, 0);
  } catch (error) {
    throw problemOf(error);
  }
}

/** @returns a problem with the reason why an agent or a version is refused; any other error as it is */
export function problemOf(error: unknown): unknown {
  // A new version may begin a rollout.
  return refusedRollout(error) ?? refusalOf(error, explained) ?? error;
}

const explained: Explained = {
  agents_pkey: [
    409,
    'agent_exists',
    'An agent with this id exists already. Change it with PATCH, or leave the id out.',
  ],
  agent_versions_are_immutable: [409, 'version_exists', refusals.version_exists],
  agent_version_is_withdrawn: [409, 'version_withdrawn', refusals.version_withdrawn],
  agents_version_at_most_1_kib: [422, 'version_too_long', 'The version has more than 1,024 bytes. Shorten it.'],
  agents_texts_at_most_1_mib: [
    422,
    'agent_too_large',
    'Name, version and capabilities are larger than 1 MiB together. Shorten them.',
  ],
};
