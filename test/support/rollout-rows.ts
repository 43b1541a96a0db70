import { randomUUID } from 'node:crypto';
import { openTestPool } from './test-pool.ts';

/** The rows of one agent with the versions 1 (the stable one), 2 and 3, and what an engine would do to them. */
export async function createRolloutRows(databaseUrl: string) {
  const pool = openTestPool({ connectionString: databaseUrl, max: 4 });
  const agentId = randomUUID();
  await pool.query(`insert into agents (id, name, version, runtime) values ($1, 'echo', '1', '{"a": 1}')`, [agentId]);
  for (const version of ['2', '3']) {
    await pool.query('update agents set version = $2, runtime = $3 where id = $1', [agentId, version, { a: version }]);
  }
  const one = async <Row>(text: string, values: unknown[]): Promise<Row> => {
    const { rows } = await pool.query(text, values);
    return rows[0] as Row;
  };

  const rows = {
    pool,
    agentId,
    close: () => pool.end(),

    insert: async ({
      metadata = {},
      userId = randomUUID(),
      version = null as string | null,
      policy = 'follow',
    } = {}) => {
      const { id } = await one<{ id: string }>(
        `insert into instances (agent_id, user_id, metadata, agent_version, version_policy) values ($1, $2, $3, $4, $5) returning id`,
        [agentId, userId, metadata, version, policy],
      );
      return id;
    },
    /** Instances that have run for an hour. */
    insertRunning: async (count: number): Promise<string[]> => {
      const ids: string[] = [];
      while (ids.length < count) ids.push(await rows.insert());
      for (const id of ids) await rows.run(id);
      await rows.age('1 hour');
      return ids.toSorted();
    },
    record: async (id: string, status: string, reason: object | null = null) => {
      const { generation } = await one<{ generation: string }>('select generation from instances where id = $1', [id]);
      await pool.query('select record_instance_status($1, $2, $3, $4, null)', [id, status, generation, reason]);
    },
    /** The agent is stopped, and started in the generation of the row. */
    run: async (id: string) => {
      await rows.record(id, 'pending');
      await rows.record(id, 'running');
    },
    fail: (id: string) => rows.record(id, 'failed', { code: 'agent_exited', message: 'It ended with code 1.' }),
    update: (id: string, assignment: string) => pool.query(`update instances set ${assignment} where id = $1`, [id]),
    /** Lets time pass for all rows that exist. */
    age: async (interval: string) => {
      await pool.query(
        `begin; set local session_replication_role = replica;
         update instances set status_changed_at = status_changed_at - interval '${interval}' where agent_id = '${agentId}';
         update rollout_instances x set moved_at = moved_at - interval '${interval}', outcome_at = outcome_at - interval '${interval}'
           from rollouts r where r.id = x.rollout_id and r.agent_id = '${agentId}';
         update rollouts set created_at = created_at - interval '${interval}', resumed_at = resumed_at - interval '${interval}'
           where agent_id = '${agentId}';
         commit`,
      );
    },

    request: async (version: string, strategy: object = {}): Promise<string> => {
      const { id } = await one<{ id: string }>(
        'insert into rollouts (agent_id, version, strategy) values ($1, $2, $3) returning id',
        [agentId, version, strategy],
      );
      return id;
    },
    want: (rolloutId: string, desiredState: string) =>
      pool.query('update rollouts set desired_state = $2 where id = $1', [rolloutId, desiredState]),
    move: async (
      rolloutId: string,
      wave: number,
      { limit = 100, maxOut = 100, minHealthy = 30, canary = null as object | null } = {},
    ) => {
      const { moved } = await one<{ moved: number }>('select move_wave($1, $2, $3, $4, $5, $6) as moved', [
        rolloutId,
        wave,
        limit,
        maxOut,
        minHealthy,
        canary,
      ]);
      return moved;
    },
    judge: (rolloutId: string, { minHealthy = 30, deadline = 150 } = {}) =>
      pool.query('select judge_wave($1, $2, $3)', [rolloutId, minHealthy, deadline]),
    recordRollout: (rolloutId: string, status: string, { holds = false, code = 'canary_failed' } = {}) =>
      pool.query('select record_rollout($1, $2, $3, $4)', [rolloutId, status, { code, message: 'Because.' }, holds]),
    beginRollback: (rolloutId: string, withdraws = true) =>
      pool.query('select begin_rollback($1, $2, $3)', [
        rolloutId,
        { code: 'canary_failed', message: 'It fails.' },
        withdraws,
      ]),
    revert: (rolloutId: string, { maxOut = 100, deadline = 150 } = {}) =>
      pool.query('select revert_wave($1, $2, $3)', [rolloutId, maxOut, deadline]),
    complete: async (rolloutId: string) =>
      (await one<{ outcome: string }>('select complete_rollout($1) as outcome', [rolloutId])).outcome,

    rollout: (rolloutId: string) =>
      one<{ status: string; [column: string]: unknown }>(
        `select status, desired_state, sequence, wave, total, moved, healthy, failed, reverted, forgiven, reason ->> 'code' as code
         from rollouts where id = $1`,
        [rolloutId],
      ),
    /** The outcome of each moved instance, by its id. */
    outcomes: async (rolloutId: string): Promise<Record<string, string>> => {
      const { rows: found } = await pool.query<{ id: string; outcome: string }>(
        'select instance_id as id, outcome from rollout_instances where rollout_id = $1 order by instance_id',
        [rolloutId],
      );
      return Object.fromEntries(found.map(({ id, outcome }) => [id, outcome]));
    },
    /** The version that each instance is to run, by its id. */
    versions: async (): Promise<Record<string, string>> => {
      const { rows: found } = await pool.query<{ id: string; version: string }>(
        'select id, agent_version as version from instances where agent_id = $1 order by id',
        [agentId],
      );
      return Object.fromEntries(found.map(({ id, version }) => [id, version]));
    },
    agent: () =>
      one<{ stable: string; withdrawn: string[] }>(
        `select stable_version as stable, array(
           select v.version from agent_versions v where v.agent_id = a.id and v.withdrawn_at is not null) as withdrawn
         from agents a where id = $1`,
        [agentId],
      ),
    events: async (entityId: string): Promise<number> =>
      Number((await one<{ count: string }>('select count(*) from event_log where entity_id = $1', [entityId])).count),
  };
  return rows;
}

export type RolloutRows = Awaited<ReturnType<typeof createRolloutRows>>;
