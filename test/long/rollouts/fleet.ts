import { readFile } from 'node:fs/promises';
import { expect, vi } from 'vitest';
import { listProcesses } from '../../../runtimes/process/process-table.ts';
import { one, type Rig } from '../../support/rig.ts';

interface FleetOptions {
  /** Instances of the versions 1 and 2, half of each. */
  instances: number;
  /** Runtime of an agent, whose version it finds in the variable `VERSION`. */
  runtime?: object;
  /** How long the engine may take for something that concerns all instances. */
  timeoutMs?: number;
}

export const sleeper = { kind: 'process', command: ['sleep', '100000'], stop_grace_seconds: 2 };

/** The agent has the versions 1 (the stable one) and 2, and all instances run. */
export async function openFleet(rig: Rig, { instances, runtime = sleeper, timeoutMs = 180_000 }: FleetOptions) {
  const { pool } = rig;
  const versioned = (version: string, of: object): object => ({
    ...of,
    environment: { ...('environment' in of ? (of.environment as object) : {}), VERSION: version },
  });
  const { rows } = await pool.query<{ id: string }>(
    `insert into agents (name, version, runtime) values ('fleet', '1', $1) returning id`,
    [versioned('1', runtime)],
  );
  const agentId = one(rows).id;

  const fleet = {
    agentId,
    publish: (version: string, of: object = runtime) =>
      pool.query('update agents set version = $2, runtime = $3 where id = $1', [
        agentId,
        version,
        versioned(version, of),
      ]),
    request: async (version: string, strategy: object): Promise<string> => {
      const { rows: requested } = await pool.query<{ id: string }>(
        'insert into rollouts (agent_id, version, strategy) values ($1, $2, $3) returning id',
        [agentId, version, strategy],
      );
      return one(requested).id;
    },
    /** The version that each instance is to run. */
    versions: async (): Promise<Map<string, string>> => {
      const { rows: found } = await pool.query<{ id: string; version: string }>(
        'select id, agent_version as version from instances where agent_id = $1',
        [agentId],
      );
      return new Map(found.map(({ id, version }) => [id, version]));
    },
    /** Waits until every instance runs these versions. */
    untilRunning: async (versions: ReadonlyMap<string, string>): Promise<void> => {
      await vi.waitFor(
        async () => {
          const { rows: others } = await pool.query(
            `select i.id, i.status, i.agent_version, i.running_version, v.key as expected, i.metadata -> 'status_reason' as reason
             from instances i full join json_each_text($2) v on v.key = i.id::text
             where (i.agent_id = $1 or i.id is null) and not coalesce(i.status = 'running' and i.observed_generation = i.generation
               and i.agent_version = v.value and i.running_version = v.value, false) limit 3`,
            [agentId, Object.fromEntries(versions)],
          );
          expect(others).toEqual([]);
        },
        { timeout: timeoutMs, interval: 250 },
      );
    },
    rollout: async (id: string): Promise<Record<string, unknown>> => {
      const { rows: found } = await pool.query<Record<string, unknown>>('select * from rollouts where id = $1', [id]);
      return one(found);
    },
    version: async (version: string) => {
      const { rows: found } = await pool.query<{ withdrawn: boolean; reason: string | null; stable: boolean }>(
        `select v.withdrawn_at is not null as withdrawn, v.withdrawn_reason as reason, v.version = a.stable_version as stable
         from agent_versions v join agents a on a.id = v.agent_id where a.id = $1 and v.version = $2`,
        [agentId, version],
      );
      return one(found);
    },
  };

  await fleet.publish('2');
  await pool.query(
    `insert into instances (agent_id, user_id, agent_version)
     select $1, gen_random_uuid(), (1 + n % 2)::text from generate_series(1, $2::int) n`,
    [agentId, instances],
  );
  await fleet.untilRunning(await fleet.versions());
  return fleet;
}

/** The version that the process of each instance has, by what the kernel says of the process. */
export async function versionsOfProcesses(ids: Iterable<string>): Promise<Map<string, string>> {
  const wanted = new Set(ids);
  const found = new Map<string, string>();
  for (const { instanceName, pid, group } of await listProcesses()) {
    const id = instanceName?.slice('instance-'.length) ?? '';
    if (pid !== group || !wanted.has(id)) continue;
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
    const version = /(?:^|\0)VERSION=([^\0]*)/.exec(environment)?.[1] ?? 'none';
    found.set(id, found.has(id) ? `${found.get(id)} and ${version}` : version);
  }
  return found;
}
