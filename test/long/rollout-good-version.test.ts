import { afterAll, beforeAll, expect, onTestFailed, test, vi } from 'vitest';
import { useRig } from '../support/rig.ts';
import { startEngine } from './rollouts/engine.ts';
import { openFleet, versionsOfProcesses } from './rollouts/fleet.ts';
import { openWatcher, type Watcher } from './rollouts/watcher.ts';

/** `ROLLOUT_INSTANCES=1000` shows the same of more instances, which takes minutes. */
const instances = Number(process.env['ROLLOUT_INSTANCES'] ?? 200);
const timeoutMs = 120_000 + instances * 1_000;

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
}, timeoutMs);

const maxParallel = instances / 10;
const strategy = {
  canary: { percent: 1 },
  max_parallel: { percent: 10 },
  min_healthy_seconds: 1,
  // A thousand instances keep a machine busy, and nothing fails for that.
  healthy_deadline_seconds: 300,
};

test(
  `a good version reaches ${instances} instances, and at no moment are more than ${maxParallel} out`,
  async () => {
    onTestFailed(() => void process.stderr.write(engine.output()));
    const fleet = await openFleet(rig, { instances, timeoutMs });
    const begun = performance.now();
    await fleet.publish('3');
    const report = await watcher.until(await fleet.request('3', strategy), timeoutMs);
    const seconds = Math.round((performance.now() - begun) / 1_000);
    process.stdout.write(`${instances} instances in ${seconds} s, at most ${report.most_out} out\n`);

    expect(report).toMatchObject({ ended: 'rollout.completed', most_moves: 1, reverted: [] });
    expect(report.moved).toHaveLength(instances);
    expect(report.most_out).toBeLessThanOrEqual(maxParallel);
    expect(report.body).toMatchObject({ total: instances, moved: instances, healthy: instances, failed: 0 });
    const versions = new Map(report.moved.map((id) => [id, '3']));
    await fleet.untilRunning(versions);
    expect(await versionsOfProcesses(report.moved)).toEqual(versions);
    expect(await fleet.version('3')).toMatchObject({ stable: true, withdrawn: false });
  },
  3 * timeoutMs,
);

test(
  'a rollout that is aborted in the middle takes its instances back few at a time',
  async () => {
    onTestFailed(() => void process.stderr.write(engine.output()));
    const few = { max_parallel: { count: 6 }, canary: { count: 2 } };
    const fleet = await openFleet(rig, { instances: 60, timeoutMs });
    const versions = await fleet.versions();
    await fleet.publish('3');
    const id = await fleet.request('3', { ...strategy, ...few });
    await vi.waitFor(async () => expect((await fleet.rollout(id))['healthy']).toBeGreaterThan(20), {
      timeout: timeoutMs,
      interval: 100,
    });
    await rig.pool.query(`update rollouts set desired_state = 'aborted' where id = $1`, [id]);
    const report = await watcher.until(id, timeoutMs);

    expect(report).toMatchObject({ ended: 'rollout.updated', body: { status: 'aborted' }, most_moves: 1 });
    expect(report.moved.length).toBeLessThan(60);
    expect(report.reverted).toEqual(report.moved);
    expect(report.most_out).toBeLessThanOrEqual(6);
    expect(report.most_not_back).toBeLessThanOrEqual(6);
    await fleet.untilRunning(versions);
    expect(await versionsOfProcesses(versions.keys())).toEqual(versions);
    expect(await fleet.version('3')).toMatchObject({ stable: false, withdrawn: false });
  },
  3 * timeoutMs,
);
