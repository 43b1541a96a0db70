import { expect, vi } from 'vitest';
import { listProcesses } from '../../runtimes/process/process-table.ts';
import type { Rig } from '../support/rig.ts';
import { keptIn } from './agents.ts';
import type { Host } from './host.ts';

/** Every instance runs exactly where and as its row says, and no host keeps anything else. */
export async function untilAgreed(rig: Rig, hosts: readonly Host[], timeout: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rows } = await rig.pool.query<{ id: string; desired: string; said: string; host: string | null }>(
        `select i.id, i.desired_state as desired, h.name as host, i.metadata -> 'status_reason' as reason,
           case when i.observed_generation = i.generation then i.status else 'not observed' end as said
         from instances i left join hosts h on h.id = i.host_id`,
      );
      expect(rows.filter(({ desired, said }) => desired !== said)).toEqual([]);
      const placed = rows.flatMap(({ id, desired, host }) => (desired === 'running' ? [`${id} on ${host}`] : []));
      const kept = await Promise.all(
        hosts.map(async ({ name, directory }) => (await keptIn(directory)).map((id) => `${id} on ${name}`)),
      );
      expect(kept.flat().toSorted()).toEqual(placed.toSorted());
      const ids = new Set(rows.filter(({ desired }) => desired === 'running').map(({ id }) => id));
      expect((await agentsOf(hosts)).toSorted()).toEqual([...ids].toSorted());
    },
    { timeout, interval: 500 },
  );
}

/** The instances of all agents that run, one entry for each agent. */
async function agentsOf(hosts: readonly Host[]): Promise<string[]> {
  const known = new Set((await Promise.all(hosts.map(({ directory }) => keptIn(directory)))).flat());
  return (await listProcesses()).flatMap(({ instanceName, pid, group }) => {
    const id = instanceName?.slice('instance-'.length);
    return id !== undefined && pid === group && known.has(id) ? [id] : [];
  });
}
