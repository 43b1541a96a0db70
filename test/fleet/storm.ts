import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import type { Rig } from '../support/rig.ts';
import type { Host } from './host.ts';

/** What users do to instances and what accidents do to hosts, in a random order that a seed repeats. */
interface Storm {
  rig: Rig;
  hosts: readonly Host[];
  agentIds: readonly string[];
  instances: number;
  seed: number;
  /** The lease of a host, in milliseconds. */
  leaseMs: number;
  /** Drains a host, or ends its drain. Resolves once that is recorded. */
  drain: (host: Host, draining: boolean) => Promise<void>;
}

type Accident = 'kill' | 'pause' | 'partition' | 'drain' | 'restart';
const accidents: readonly Accident[] = ['kill', 'pause', 'partition', 'drain', 'restart'];
const changes = ['configure', 'configure', 'stop', 'start', 'delete', 'create'] as const;

/** Resolves with what was done, once every host works again. The rows then say what is to run. */
export async function runStorm({ rig, hosts, agentIds, instances, seed, leaseMs, drain }: Storm): Promise<string[]> {
  const story: string[] = [];
  const plan = fc.sample(
    fc.record({
      accident: fc.constantFrom(...accidents),
      host: fc.nat(hosts.length - 1),
      // From a hiccup to far beyond the lease.
      forLeases: fc.double({ min: 0.1, max: 3, noNaN: true }),
    }),
    { seed, numRuns: accidents.length },
  );
  const ids: string[] = [];
  const create = async (index: number): Promise<void> => {
    ids.push(await rig.insertInstance(agentIds[index % agentIds.length] ?? '', { version: 0 }));
  };
  for (let index = 0; index < instances; index += 1) await create(index);

  let isOver = false;
  const users = async (): Promise<void> => {
    const picks = fc.sample(fc.record({ change: fc.constantFrom(...changes), pick: fc.nat() }), {
      seed,
      numRuns: 10_000,
    });
    for (const [turn, { change, pick }] of picks.entries()) {
      if (isOver) return;
      const index = pick % ids.length;
      const id = ids[index] ?? '';
      if (change === 'create') await create(turn);
      else if (change === 'delete') await rig.deleteInstance(id);
      else {
        const assignment = {
          configure: `config = '{"version": ${turn}}'`,
          stop: `desired_state = 'stopped'`,
          start: `desired_state = 'running'`,
        };
        await rig.pool.query(`update instances set ${assignment[change]} where id = $1`, [id]);
      }
      await delay(40);
    }
  };
  const using = users();
  for (const { accident, host: index, forLeases } of plan) {
    const host = hosts[index];
    if (!host) continue;
    const ms = Math.round(forLeases * leaseMs);
    story.push(`${accident} ${host.name} for ${ms} ms`);
    await befall(accident, host, ms, drain);
    await delay(500);
  }
  isOver = true;
  await using;
  return story;
}

async function befall(accident: Accident, host: Host, ms: number, drain: Storm['drain']): Promise<void> {
  switch (accident) {
    case 'kill':
      await host.end('SIGKILL');
      await delay(ms);
      return host.start();
    case 'restart':
      await host.end('SIGTERM');
      return host.start();
    case 'pause':
      host.pause();
      await delay(ms);
      return host.resume();
    case 'partition':
      await host.partition();
      await delay(ms);
      return host.heal();
    case 'drain':
      await drain(host, true);
      await delay(ms);
      return drain(host, false);
  }
}
