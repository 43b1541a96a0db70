import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFailed, test, vi } from 'vitest';
import { useRig } from '../support/rig.ts';
import { useOpened } from '../support/use-opened.ts';
import { lockingAgent, readDoubles } from '../fleet/agents.ts';
import { untilAgreed } from '../fleet/agreement.ts';
import { openHost } from '../fleet/host.ts';

const longestGapMs = 5_000;
const pauseBetweenCreationsMs = 250;

const rig = useRig({ services: ['event_broker'] });
const fleet = useOpened(
  async () => {
    const locks = await mkdtemp(join(tmpdir(), 'locks-'));
    const settings = { LOG_LEVEL: 'warn' };
    const hosts = await Promise.all(['anna', 'bert', 'cleo'].map((name) => openHost(rig, name, settings)));
    return { locks, hosts };
  },
  async ({ locks, hosts }) => {
    await Promise.all(hosts.map((host) => host.close()));
    await rm(locks, { recursive: true, force: true });
  },
);

test('workers that are restarted one after the other restart no instance, lose no event and hold no creation up', async () => {
  const { locks, hosts } = fleet;
  onTestFailed(() => void process.stderr.write(hosts.map((host) => host.output()).join('\n')));
  const agentId = await rig.publishAgent(lockingAgent(locks));
  const before = await Promise.all(Array.from({ length: 9 }, () => rig.insertInstance(agentId)));
  await untilAgreed(rig, hosts, 60_000);

  const created: string[] = [];
  let isOver = false;
  const creating = (async () => {
    while (!isOver) {
      created.push(await rig.insertInstance(agentId));
      await delay(pauseBetweenCreationsMs);
    }
  })();
  for (const host of hosts) {
    await host.end('SIGTERM');
    host.start();
    // The next worker stops only once this one serves again, as whoever deploys waits for `/ready`.
    await vi.waitUntil(() => servesAgain(host.name), { timeout: 60_000, interval: 100 });
  }
  // Creation goes on meanwhile, because an instance that runs late shows a gap only where no later one ran before it.
  await untilEachRan([...created]);
  isOver = true;
  await creating;
  await untilAgreed(rig, hosts, 60_000);

  const all = [...before, ...created];
  const starts = (await readFile(join(locks, 'starts'), 'utf8')).trim().split('\n');
  expect(starts.toSorted()).toEqual(all.toSorted());
  expect(await readDoubles(locks)).toEqual([]);
  for (const id of all) {
    const sequences = rig.bus.of(id).map(({ headers }) => Number(headers['cloudEvents:sequence']));
    expect(sequences).toEqual(sequences.map((_, index) => index + 1));
  }
  expect(Math.max(...(await gapsBetweenStarts(created)))).toBeLessThan(longestGapMs);
}, 240_000);

/** Whether a worker that was started after the last one ended serves the host. */
async function servesAgain(name: string): Promise<boolean> {
  const { rows } = await rig.pool.query(
    'select from host_workers w join hosts h on h.id = w.host_id where h.name = $1 and w.seen_until > clock_timestamp()',
    [name],
  );
  return rows.length > 0;
}

async function untilEachRan(ids: readonly string[]): Promise<void> {
  const haveRan = async (): Promise<boolean> => {
    const { rows } = await rig.pool.query<{ count: number }>(
      `select count(distinct entity_id)::int from event_log
       where entity_id = any($1) and notification #>> '{row_data,status}' = 'running'`,
      [ids],
    );
    return rows[0]?.count === ids.length;
  };
  await vi.waitUntil(haveRan, { timeout: 60_000, interval: 100 });
}

/** In milliseconds, from each recorded `running` to the next one. */
async function gapsBetweenStarts(ids: readonly string[]): Promise<number[]> {
  const { rows } = await rig.pool.query<{ gap: number }>(
    `select (extract(epoch from ran_at - lag(ran_at) over (order by ran_at)) * 1000)::float8 as gap from (
       select min(occurred_at) as ran_at from event_log
       where entity_id = any($1) and notification #>> '{row_data,status}' = 'running' group by entity_id) as started`,
    [ids],
  );
  return rows.map(({ gap }) => gap);
}
