import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, onTestFailed, test, vi } from 'vitest';
import { one, useRig } from '../support/rig.ts';
import { useOpened } from '../support/use-opened.ts';
import { lockingAgent, readDoubles } from '../fleet/agents.ts';
import { untilAgreed } from '../fleet/agreement.ts';
import { openHost, type Host } from '../fleet/host.ts';

/** How a worker loses its host, and how it comes back. */
const losses: Record<
  string,
  { lose: (host: Host) => void | Promise<void>; comeBack: (host: Host) => void | Promise<void> }
> = {
  'was killed': { lose: (host) => host.end('SIGKILL'), comeBack: (host) => host.start() },
  'was paused': { lose: (host) => host.pause(), comeBack: (host) => host.resume() },
  'was cut off': { lose: (host) => host.partition(), comeBack: (host) => host.heal() },
};

const rig = useRig({ services: ['event_broker'] });
const fleet = useOpened(
  async () => {
    const locks = await mkdtemp(join(tmpdir(), 'locks-'));
    const settings = { HOST_LEASE_SECONDS: '4', SWEEP_INTERVAL_SECONDS: '2', LOG_LEVEL: 'warn' };
    const open = (name: string) => openHost(rig, name, { ...settings, HOST_LABELS: `name=${name}` });
    const [anna, bert] = await Promise.all([open('anna'), open('bert')]);
    return { locks, anna, bert };
  },
  async ({ locks, anna, bert }) => {
    await Promise.all([anna.close(), bert.close()]);
    await rm(locks, { recursive: true, force: true });
  },
);

afterEach(async () => {
  await rig.pool.query('delete from instances');
  await untilAgreed(rig, [fleet.anna, fleet.bert], 60_000);
});

test.each(Object.keys(losses))(
  'an agent of a host whose worker %s ends before the instance is placed elsewhere, and nothing of it wakes up later',
  async (loss) => {
    const { locks, anna, bert } = fleet;
    const hosts = [anna, bert];
    onTestFailed(() => void process.stderr.write(hosts.map((host) => host.output()).join('\n')));
    const moves = await rig.insertInstance(await rig.publishAgent(lockingAgent(locks, { replace_after_seconds: 10 })));
    const waits = await rig.insertInstance(
      await rig.publishAgent(lockingAgent(locks, { host_labels: { name: 'anna' } })),
    );
    await untilAgreed(rig, hosts, 60_000);
    await moveTo(moves, 'anna');
    await untilAgreed(rig, hosts, 60_000);
    const [fenced, waiting] = [await agentOf(moves), await agentOf(waits)];

    await losses[loss]?.lose(anna);
    const endedBy = await momentOfEnd(moves, fenced);
    await vi.waitFor(
      async () => expect(await stateOf(moves)).toMatchObject({ status: 'running', host: 'bert' }),
      60_000,
    );
    expect(endedBy).toBeLessThan((await stateOf(moves)).placedAt);
    const replacement = await agentOf(moves);
    await vi.waitFor(
      async () => expect(await stateOf(waits)).toMatchObject({ status: 'pending', code: 'host_lost', host: 'anna' }),
      60_000,
    );
    // Its agent is not one that the fence ends.
    expect(await rig.processes(waits)).toEqual([waiting]);

    await losses[loss]?.comeBack(anna);
    await untilAgreed(rig, hosts, 60_000);
    expect(await rig.processes(moves)).toEqual([replacement]);
    expect(await rig.processes(waits)).toEqual([waiting]);
    expect(await readDoubles(locks)).toEqual([]);
  },
  240_000,
);

/** The process of an agent that runs, once what it started to take its lock has ended. */
const agentOf = (id: string): Promise<number> => vi.waitFor(async () => one(await rig.processes(id)), 60_000);

/** Drains the other host until the instance has left it. */
async function moveTo(id: string, name: string): Promise<void> {
  await rig.pool.query('update hosts set draining_since = clock_timestamp() where name <> $1', [name]);
  await vi.waitFor(async () => expect(await stateOf(id)).toMatchObject({ status: 'running', host: name }), 60_000);
  await rig.pool.query('update hosts set draining_since = null');
}

/** A time by which the process had ended, and hardly later than its end. */
async function momentOfEnd(id: string, pid: number): Promise<number> {
  await vi.waitFor(async () => expect(await rig.processes(id)).not.toContain(pid), { timeout: 60_000, interval: 20 });
  return Date.now();
}

/** `placedAt` is in milliseconds, by the clock of the same machine. */
async function stateOf(id: string) {
  const { rows } = await rig.pool.query<{ status: string; code: string | null; host: string | null; placedAt: number }>(
    `select i.status, i.metadata #>> '{status_reason,code}' as code, h.name as host,
       (extract(epoch from p.placed_at) * 1000)::float8 as "placedAt"
     from instances i join placements p on p.instance_id = i.id join hosts h on h.id = p.host_id where i.id = $1`,
    [id],
  );
  const [state] = rows;
  if (!state) throw new Error(`The instance ${id} has no row or no host.`);
  return state;
}
