import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import { one, type Rig } from '../../support/rig.ts';
import type { Command, Strategy, VersionKind } from './model-commands.ts';
import { sleeper } from './fleet.ts';

/** One agent with its instances and rollouts, and another agent to which users switch. */
export type World = Awaited<ReturnType<typeof createWorld>>;

const instancesAtFirst = 5;

/** What a command may be told, because something else came first. */
const refusals = new Set([
  'rollouts_one_active',
  'rollouts_version_is_not_withdrawn',
  'rollouts_has_not_ended',
  'rollouts_is_not_ending',
  'instances_agent_version_is_not_withdrawn',
]);

const runtimes: Record<VersionKind, object> = {
  good: sleeper,
  crashing: { ...sleeper, command: ['sh', '-c', 'exit 3'] },
};

export async function createWorld(rig: Rig) {
  const { pool } = rig;
  const agentId = randomUUID();
  const otherId = randomUUID();
  /** Every instance that there ever was. */
  const ids: string[] = [];
  const kinds = new Map<string, VersionKind>();
  const counts = new Map<string, number>();
  let configs = 0;

  const runtimeOf = (version: string, kind: VersionKind): object => ({
    ...runtimes[kind],
    environment: { VERSION: version },
  });
  const insertAgent = async (id: string, version: string): Promise<void> => {
    kinds.set(version, 'good');
    await pool.query(`insert into agents (id, name, version, runtime) values ($1, 'model', $2, $3)`, [
      id,
      version,
      runtimeOf(version, 'good'),
    ]);
  };
  const insert = async (version: string | null): Promise<void> => {
    const { rows } = await pool.query<{ id: string }>(
      `insert into instances (agent_id, user_id, agent_version, config) values ($1, $2, $3, '{"round": 0}') returning id`,
      [agentId, randomUUID(), version],
    );
    ids.push(one(rows).id);
  };
  const choose = <Value>(from: readonly Value[], by: number): Value => from[by % from.length] as Value;
  const versionsOfAgent = (): string[] => [...kinds.keys()].filter((version) => version !== 'other');
  const update = (instance: number, assignment: string, ...values: unknown[]) =>
    pool.query(`update instances set ${assignment} where id = $1`, [choose(ids, instance), ...values]);
  /** The newest rollout that has not ended. */
  const want = (assignment: string) =>
    pool.query(
      `update rollouts set ${assignment} where id = (
         select id from rollouts where agent_id = $1 and ended_at is null order by created_at desc limit 1)`,
      [agentId],
    );
  const publish = async (kind: VersionKind, strategy: Strategy, startsRollout: boolean): Promise<void> => {
    const version = `${kind} ${kinds.size}`;
    await pool.query('update agents set version = $2, runtime = $3, rollout = $4 where id = $1', [
      agentId,
      version,
      runtimeOf(version, kind),
      startsRollout ? strategy : null,
    ]);
    kinds.set(version, kind);
  };

  const act = async (command: Command): Promise<unknown> => {
    switch (command.do) {
      case 'configure':
        configs += 1;
        return update(command.instance, 'config = $2', { round: configs });
      case 'stop':
        return update(command.instance, `desired_state = 'stopped'`);
      case 'start':
        return update(command.instance, `desired_state = 'running'`);
      case 'hold':
        return update(command.instance, `version_policy = 'hold'`);
      case 'follow':
        return update(command.instance, `version_policy = 'follow'`);
      case 'switchAgent':
        return update(
          command.instance,
          'agent_id = case agent_id when $2::uuid then $3::uuid else $2 end',
          agentId,
          otherId,
        );
      case 'delete':
        return pool.query('delete from instances where id = $1', [choose(ids, command.instance)]);
      case 'choose':
        return pool.query('update instances set agent_version = $2 where id = $1 and agent_id = $3', [
          choose(ids, command.instance),
          choose(versionsOfAgent(), command.version),
          agentId,
        ]);
      case 'insert':
        return insert(command.version === null ? null : choose(versionsOfAgent(), command.version));
      case 'publish':
        return publish(command.kind, command.strategy, command.startsRollout);
      case 'request':
        return pool.query('insert into rollouts (agent_id, version, strategy) values ($1, $2, $3)', [
          agentId,
          choose(versionsOfAgent(), command.version),
          command.strategy,
        ]);
      case 'pause':
        return want(`desired_state = 'paused'`);
      case 'resume':
        return want(`desired_state = 'running'`);
      case 'promote':
        return want('promoted = true');
      case 'abort':
        return want(`desired_state = 'aborted'`);
      case 'wait':
        return delay(command.ms);
    }
  };

  await insertAgent(agentId, 'first');
  await insertAgent(otherId, 'other');
  for (let count = 0; count < instancesAtFirst; count += 1) await insert(null);

  return {
    rig,
    agentId,
    otherId,
    ids: ids as readonly string[],
    kinds: kinds as ReadonlyMap<string, VersionKind>,
    run: async (command: Command): Promise<void> => {
      let told = '';
      try {
        await act(command);
      } catch (error) {
        if (!(error instanceof DatabaseError) || !refusals.has(error.constraint ?? '')) throw error;
        told = ' (refused)';
      }
      const what = `${command.do}${told}`;
      counts.set(what, (counts.get(what) ?? 0) + 1);
    },
    /** Lets every rollout go on that waits for a person. @returns those that have not ended */
    goOn: async (): Promise<object[]> => {
      await pool.query(
        `update rollouts set desired_state = case desired_state when 'paused' then 'running' else desired_state end, promoted = true
         where agent_id = $1 and (desired_state = 'paused' or desired_state = 'running' and not promoted)
           and ended_at is null and status <> 'rolling_back'`,
        [agentId],
      );
      const { rows } = await pool.query<object>(
        `select r.id, r.version, r.strategy, r.status, r.desired_state, r.reason, r.wave, r.canary_wave, r.total, r.healthy, r.failed,
           r.forgiven, (
             select json_agg(json_build_object('id', i.id, 'outcome', x.outcome, 'judged', x.judged, 'excused', x.excused, 'policy',
               i.version_policy, 'version', i.agent_version, 'status', i.status, 'desired', i.desired_state, 'generation', i.generation,
               'observed', i.observed_generation, 'reason', i.metadata -> 'status_reason'))
             from instances i left join rollout_instances x on x.instance_id = i.id and x.rollout_id = r.id
             where i.agent_id = r.agent_id) as instances
         from rollouts r where r.agent_id = $1 and r.ended_at is null order by r.created_at`,
        [agentId],
      );
      return rows;
    },
    /** How often each command was given, and how the rollouts ended. */
    summary: async (): Promise<[string, number][]> => {
      const { rows } = await pool.query<{ status: string; count: number }>(
        'select status, count(*)::int as count from rollouts where agent_id = $1 group by 1',
        [agentId],
      );
      return [['sequences', 1], ...counts, ...rows.map(({ status, count }) => [status, count] as [string, number])];
    },
  };
}
