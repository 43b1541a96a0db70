/**
 * Three hosts, random users and random accidents. At no moment do two agents of one instance run, and in the end exactly those run that
 * the rows want.
 *
 * The suite plays one short storm. A long one, which prints its seed and what happened:
 *
 *     FLEET_SEEDS=10 FLEET_INSTANCES=300 npx vitest run --project fleet
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFailed, test, vi } from 'vitest';
import { useOpened } from '../support/use-opened.ts';
import { useRig } from '../support/rig.ts';
import { lockingAgent, readDoubles } from './agents.ts';
import { untilAgreed } from './agreement.ts';
import { describeInstances } from './describe-instances.ts';
import { openHost } from './host.ts';
import { runStorm } from './storm.ts';

const { FLEET_SEEDS = '1', FLEET_FIRST_SEED = '1', FLEET_INSTANCES = '24' } = process.env;
const seeds = Array.from({ length: Number(FLEET_SEEDS) }, (_, index) => Number(FLEET_FIRST_SEED) + index);
const instances = Number(FLEET_INSTANCES);
const leaseSeconds = 4;

const rig = useRig({ services: ['event_broker'] });
const fleet = useOpened(
  async () => {
    const locks = await mkdtemp(join(tmpdir(), 'locks-'));
    const settings = { HOST_LEASE_SECONDS: String(leaseSeconds), SWEEP_INTERVAL_SECONDS: '2', LOG_LEVEL: 'warn' };
    const hosts = await Promise.all(['anna', 'bert', 'cleo'].map((name) => openHost(rig, name, settings)));
    return { locks, hosts };
  },
  async ({ locks, hosts }) => {
    await Promise.all(hosts.map((host) => host.close()));
    await rm(locks, { recursive: true, force: true });
  },
);

test.each(seeds)(
  'a storm (seed %i) leaves no double agent, no orphan and no instance behind',
  async (seed) => {
    const { locks, hosts } = fleet;
    let story: string[] = [];
    onTestFailed(async () => {
      const output = [...story, ...hosts.map((host) => host.output()), await describeInstances(rig)];
      process.stderr.write(output.join('\n'));
    });
    const agentIds = await Promise.all([
      rig.publishAgent(lockingAgent(locks)),
      rig.publishAgent(lockingAgent(locks, { replace_after_seconds: 10 })),
    ]);
    story = await runStorm({ rig, hosts, agentIds, instances, seed, leaseMs: leaseSeconds * 1000, drain });
    await untilAgreed(rig, hosts, 60_000 + 200 * instances);
    await rig.pool.query('delete from instances');
    await untilAgreed(rig, hosts, 60_000 + 200 * instances);
    expect(await readDoubles(locks)).toEqual([]);
    await vi.waitFor(async () => expect((await rig.pool.query('select * from placements')).rows).toEqual([]));
  },
  180_000 + 1_500 * instances,
);

async function drain({ name }: { name: string }, draining: boolean): Promise<void> {
  const since = draining ? 'clock_timestamp()' : 'null';
  await rig.pool.query(`update hosts set draining_since = ${since}, drain_at_once = 5 where name = $1`, [name]);
}
