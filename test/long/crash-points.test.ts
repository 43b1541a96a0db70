import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, onTestFailed, test, vi } from 'vitest';
import { openGrpcGate, type GrpcGate, type Moment } from '../support/grpc-gate.ts';
import { useRig } from '../support/rig.ts';
import { openStatementGate, type StatementGate } from '../support/statement-gate.ts';
import { useOpened } from '../support/use-opened.ts';
import { lockingAgent, readDoubles } from '../fleet/agents.ts';
import { untilAgreed } from '../fleet/agreement.ts';
import { openHost } from '../fleet/host.ts';

interface Gates {
  database: StatementGate;
  temporal: GrpcGate;
}

type Arm = (gates: Gates, moment: Moment, act: () => boolean) => void;

/** Which worker is killed is up to where the step is taken, so every worker has the trap, until one of them has sprung it. */
type Step = readonly [arm: Arm, moment: Moment];

const statement =
  (text: string): Arm =>
  ({ database }, moment, act) =>
    database.once(text, moment, act);

/** The answer that ends the start of an agent. */
const provisioned: Arm = ({ temporal }, moment, act) =>
  temporal.once('RespondActivityTaskCompleted', moment, act, '"type":"provisioned"');

const steps = {
  'before the placement is recorded': [statement('place_instance'), 'before'],
  'after the placement is recorded': [statement('place_instance'), 'after'],
  'after the agent has started': [provisioned, 'before'],
  'after Temporal was told that the activity is done': [provisioned, 'after'],
  'before the status is recorded': [statement('record_instance_status'), 'before'],
  'after the status is recorded': [statement('record_instance_status'), 'after'],
  'after the agent has ended': [statement('forget_placement'), 'before'],
  'after the placement is forgotten': [statement('forget_placement'), 'after'],
  'after it was looked up where the agent is': [statement('locate_placement'), 'after'],
} as const satisfies Record<string, Step>;

const starts = [
  'before the placement is recorded',
  'after the placement is recorded',
  'after the agent has started',
] as const;
const records = [
  'after Temporal was told that the activity is done',
  'before the status is recorded',
  'after the status is recorded',
] as const;
const ends = [
  'after it was looked up where the agent is',
  'after the agent has ended',
  'after the placement is forgotten',
] as const;

const cases = [
  ...[...starts, ...records].map((step) => ({ change: 'create', step }) as const),
  ...ends.map((step) => ({ change: 'delete', step }) as const),
  ...[...ends, ...starts].map((step) => ({ change: 'move', step }) as const),
];

const rig = useRig({ services: ['event_broker'] });
const fleet = useOpened(
  async () => {
    const locks = await mkdtemp(join(tmpdir(), 'locks-'));
    const open = async (name: string) => {
      const { DATABASE_URL, TEMPORAL_ADDRESS } = rig.environmentOf('agents_worker');
      const database = await openStatementGate(new URL(DATABASE_URL).host);
      const temporal = await openGrpcGate(TEMPORAL_ADDRESS);
      const settings = {
        DATABASE_URL: Object.assign(new URL(DATABASE_URL), { host: database.address }).href,
        TEMPORAL_ADDRESS: temporal.address,
        // A worker that was killed is back long before its lease ends.
        HOST_LEASE_SECONDS: '60',
        // No sweep: each step alone leads on.
        SWEEP_INTERVAL_SECONDS: '3600',
        LOG_LEVEL: 'warn',
      };
      const host = await openHost(rig, name, settings, { hasNetwork: false });
      return { host, gates: { database, temporal } };
    };
    return { locks, members: await Promise.all(['anna', 'bert'].map(open)) };
  },
  async ({ locks, members }) => {
    await Promise.all(members.map(({ host }) => host.close()));
    await Promise.all(members.flatMap(({ gates }) => [gates.database.close(), gates.temporal.close()]));
    await rm(locks, { recursive: true, force: true });
  },
);

afterEach(async () => {
  await rig.pool.query('update hosts set draining_since = null');
});

test.each(cases)(
  'a worker that is killed $step, in a $change, leaves no double and no orphan',
  async ({ change, step }) => {
    const { locks, members } = fleet;
    const hosts = members.map(({ host }) => host);
    onTestFailed(() => void process.stderr.write(hosts.map((host) => host.output()).join('\n')));
    const agentId = await rig.publishAgent(lockingAgent(locks));
    const create = () => rig.insertInstance(agentId);
    const id = change === 'create' ? undefined : await create();
    await untilAgreed(rig, hosts, 60_000);

    const killed = untilKilled(steps[step]);
    switch (change) {
      case 'create':
        await create();
        break;
      case 'delete':
        await rig.deleteInstance(id ?? '');
        break;
      case 'move':
        await rig.pool.query(
          'update hosts set draining_since = clock_timestamp() where id = (select host_id from instances where id = $1)',
          [id],
        );
    }
    (await killed).start();
    await untilAgreed(rig, hosts, 60_000);
    // Only a move leaves a host that drains.
    await vi.waitFor(async () => expect(await isOnDrainingHost(id)).toBe(false));
    await rig.pool.query('delete from instances');
    await untilAgreed(rig, hosts, 60_000);
    await vi.waitFor(async () => expect((await rig.pool.query('select * from placements')).rows).toEqual([]));
    expect(await readDoubles(locks)).toEqual([]);
  },
  240_000,
);

async function untilKilled([arm, moment]: Step) {
  return new Promise<(typeof fleet)['members'][number]['host']>((resolve, reject) => {
    let isOver = false;
    for (const { host, gates } of fleet.members) {
      arm(gates, moment, () => {
        if (isOver) return false;
        isOver = true;
        host.end('SIGKILL').then(() => resolve(host), reject);
        return true;
      });
    }
  });
}

async function isOnDrainingHost(id: string | undefined): Promise<boolean> {
  const { rows } = await rig.pool.query(
    'select from instances i join hosts h on h.id = i.host_id where i.id = $1 and h.draining_since is not null',
    [id],
  );
  return rows.length > 0;
}
