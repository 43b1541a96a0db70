import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { useRig } from '../support/rig.ts';
import { startEngine } from './rollouts/engine.ts';
import { openFleet, sleeper, versionsOfProcesses } from './rollouts/fleet.ts';
import { openWatcher, type Watcher } from './rollouts/watcher.ts';

const rig = useRig();
let engine: Awaited<ReturnType<typeof startEngine>>;
let watcher: Watcher;

beforeAll(async () => {
  watcher = await openWatcher(rig.environment.AMQP_URL);
  engine = await startEngine(rig);
}, 120_000);
afterAll(async () => {
  await engine?.stop();
  await watcher?.end();
});

const strategy = {
  canary: { percent: 5 },
  max_parallel: { percent: 10 },
  // Far more than it takes to notice that an agent has ended.
  min_healthy_seconds: 10,
  healthy_deadline_seconds: 60,
};

interface Case {
  what: string;
  instances: number;
  runtime: object;
  strategy: object;
  says: RegExp;
}

const shell = (script: string): object => ({ ...sleeper, command: ['sh', '-c', script] });

test.each<Case>([
  {
    what: 'crashes at its start',
    instances: 200,
    runtime: shell('echo no such model >&2; exit 3'),
    strategy,
    says: /no such model/,
  },
  {
    what: 'never becomes ready',
    instances: 60,
    runtime: { ...sleeper, ready: 'file', ready_timeout_seconds: 3 },
    strategy: { ...strategy, min_healthy_seconds: 1, healthy_deadline_seconds: 10 },
    says: /It was not healthy within 10 s/,
  },
  {
    what: 'crashes after 20 s',
    instances: 60,
    runtime: shell('sleep 20; echo the token has expired >&2; exit 3'),
    strategy: { ...strategy, min_healthy_seconds: 30 },
    says: /the token has expired/,
  },
  {
    what: 'crashes after 20 s and is restarted again and again',
    instances: 60,
    runtime: { ...shell('sleep 20; exit 3'), restart: { policy: 'always', backoff_seconds: 0.1, max_restarts: 1000 } },
    strategy: { ...strategy, min_healthy_seconds: 30, healthy_deadline_seconds: 45 },
    says: /It was not healthy within 45 s/,
  },
])(
  'a version that $what reaches the canary of $instances instances alone, and all of them get their own version back',
  async ({ instances, runtime, strategy: given, says }) => {
    onTestFailed(() => void process.stderr.write(engine.output()));
    const canary = instances / 20;
    const { agentId, ...fleet } = await openFleet(rig, { instances });
    const versions = await fleet.versions();
    await fleet.publish('bad', runtime);
    const report = await watcher.until(await fleet.request('bad', given), 180_000);

    expect(report).toMatchObject({ ended: 'rollout.rolled_back', most_moves: 1 });
    expect(report.moved).toHaveLength(canary);
    expect(report.reverted).toEqual(report.moved);
    expect(report.body).toMatchObject({ total: instances, moved: canary, healthy: 0, reverted: canary });
    expect(report.body.reason).toMatchObject({ code: 'canary_failed', message: expect.stringMatching(says) });
    expect(report.body.reason?.message).toContain(report.moved.find((id) => report.body.reason?.message.includes(id)));
    // The event of the rollback says that they are back.
    const { rows } = await rig.pool.query(
      `select id from instances where agent_id = $1 and (status, observed_generation) is distinct from ('running', generation)`,
      [agentId],
    );
    expect(rows).toEqual([]);
    await fleet.untilRunning(versions);
    expect(await versionsOfProcesses(versions.keys())).toEqual(versions);
    expect(await fleet.version('bad')).toEqual({ withdrawn: true, stable: false, reason: report.body.reason?.message });
    expect(await fleet.version('1')).toMatchObject({ withdrawn: false, stable: true });
    await expect(
      rig.pool.query(`update instances set agent_version = 'bad' where agent_id = $1`, [agentId]),
    ).rejects.toMatchObject({ constraint: 'instances_agent_version_is_not_withdrawn' });
  },
  420_000,
);
