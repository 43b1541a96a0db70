import type { RolloutStatus } from '../../contracts/names.ts';
import { until } from '../../stack/until.ts';
import type { Seen } from './bus.ts';
import { one, type Rig } from './rig.ts';

interface Publication extends Record<string, unknown> {
  script?: string;
  /** Of the rollout that the publication begins; null if it begins none. */
  strategy?: object | null;
}

const limitMs = 80_000;

/** Rollouts of agents that the process runtime runs. */
export function rolloutsOn(rig: Rig) {
  const { pool, bus } = rig;
  const quick = {
    canary: { count: 1 },
    max_parallel: { count: 2 },
    min_healthy_seconds: 1,
    healthy_deadline_seconds: 20,
    max_failures: { count: 0 },
  };

  const rollouts = {
    /** A strategy of seconds. */
    quick,
    /** An agent of the version 1, with instances that run. */
    start: async (count: number): Promise<{ agentId: string; ids: string[] }> => {
      const agentId = await rig.publishAgent();
      const ids = await Promise.all(Array.from({ length: count }, () => rig.insertInstance(agentId)));
      await rollouts.untilRunning(agentId, '1', count);
      return { agentId, ids };
    },
    /** Publishes a version whose agent runs a script; a plain `sleep` unless told otherwise. */
    publish: (
      agentId: string,
      version: string,
      { script = 'exec sleep 100000', strategy = null, ...runtime }: Publication = {},
    ) =>
      pool.query('update agents set version = $2, runtime = $3, rollout = $4 where id = $1', [
        agentId,
        version,
        { kind: 'process', command: ['sh', '-c', script], stop_grace_seconds: 2, ...runtime },
        strategy,
      ]),
    request: async (agentId: string, version: string, strategy: object = quick): Promise<string> => {
      const { rows } = await pool.query<{ id: string }>(
        'insert into rollouts (agent_id, version, strategy) values ($1, $2, $3) returning id',
        [agentId, version, strategy],
      );
      return one(rows).id;
    },
    idOf: async (agentId: string, version: string): Promise<string> => {
      const { rows } = await pool.query<{ id: string }>(
        'select id from rollouts where agent_id = $1 and version = $2',
        [agentId, version],
      );
      return one(rows).id;
    },
    want: (id: string, assignment: string) => pool.query(`update rollouts set ${assignment} where id = $1`, [id]),
    read: async (id: string) => {
      const { rows } = await pool.query<{
        status: RolloutStatus;
        wave: number;
        moved: number;
        healthy: number;
        reason: { code: string; message: string } | null;
      }>('select * from rollouts where id = $1', [id]);
      return one(rows);
    },
    until: async (id: string, status: RolloutStatus, code?: string) => {
      let row = await rollouts.read(id);
      const isReached = async () => {
        row = await rollouts.read(id);
        return row.status === status && (code === undefined || row.reason?.code === code);
      };
      if (await until(isReached, limitMs)) return row;
      throw new Error(`The rollout is ${row.status}, and not ${status}: ${JSON.stringify(row)}`);
    },
    /** Waits until so many instances of the agent run the version, and are to run it. */
    untilRunning: async (agentId: string, version: string, count: number) => {
      const isReached = async () => {
        const { rows } = await pool.query(
          `select from instances where agent_id = $1 and agent_version = $2 and running_version = $2
             and status = 'running' and observed_generation = generation`,
          [agentId, version],
        );
        return rows.length === count;
      };
      if (!(await until(isReached, limitMs))) throw new Error(`There are not ${count} instances that run ${version}.`);
    },
    stableVersion: async (agentId: string): Promise<string> => {
      const { rows } = await pool.query<{ stable: string }>(
        'select stable_version as stable from agents where id = $1',
        [agentId],
      );
      return one(rows).stable;
    },
    isWithdrawn: async (agentId: string, version: string): Promise<boolean> => {
      const { rows } = await pool.query<{ withdrawn: boolean }>(
        'select withdrawn_at is not null as withdrawn from agent_versions where agent_id = $1 and version = $2',
        [agentId, version],
      );
      return one(rows).withdrawn;
    },
    /** The changes of the rollout's status on the bus. */
    statuses: (id: string): unknown[] => {
      const said = bus.of(id).flatMap(({ type, body }) => (type === 'rollout.updated' ? [body['status']] : [type]));
      return said.filter((status, index) => status !== said[index - 1]);
    },
    /** The most instances that the bus said to be on the version, or on their way to it, without running. */
    mostOut: (agentId: string, version: string): number => {
      const out = new Set<string>();
      let most = 0;
      for (const { type, subject, body, headers } of bus.seen) {
        if (type !== 'instance.updated' || headers['agent_id'] !== agentId || body['agent_version'] !== version)
          continue;
        const runs = body['status'] === 'running' && headers['generation'] === headers['observed_generation'];
        if (runs) out.delete(subject);
        else out.add(subject);
        most = Math.max(most, out.size);
      }
      return most;
    },
    /** Instances that ever were to run the version, as the bus said. */
    moved: (agentId: string, version: string): Set<string> =>
      new Set(
        bus.seen.flatMap(({ type, subject, body, headers }: Seen) =>
          type === 'instance.updated' && headers['agent_id'] === agentId && body['agent_version'] === version
            ? [subject]
            : [],
        ),
      ),
  };
  return rollouts;
}
