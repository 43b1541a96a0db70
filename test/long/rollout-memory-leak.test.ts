import { afterAll, beforeAll, describe, expect, inject, onTestFailed, test } from 'vitest';
import { containersOf, removeContainers } from '../support/docker-agents.ts';
import { engineAt, plainImage } from '../support/docker-images.ts';
import { useRig } from '../support/rig.ts';
import { startEngine } from './rollouts/engine.ts';
import { openFleet } from './rollouts/fleet.ts';
import { openWatcher, type Watcher } from './rollouts/watcher.ts';

describe.skipIf(!inject('docker'))('a rollout of containers', () => {
  const host = inject('docker')?.host ?? '';
  const docker = engineAt(host);
  // Hooks run in reverse order: the containers go once the engine that would replace them has stopped.
  afterAll(async () => {
    const { temporal, taskQueue } = rig.configuration;
    await removeContainers(docker, `${temporal.namespace}/${taskQueue}`);
  });
  const rig = useRig({ settings: { DOCKER_HOST: host } });
  let engine: Awaited<ReturnType<typeof startEngine>>;
  let watcher: Watcher;
  beforeAll(async () => {
    watcher = await openWatcher(rig.environment.AMQP_URL);
    engine = await startEngine(rig);
  }, 120_000);
  afterAll(async () => {
    await engine?.stop();
    await watcher?.end();
  }, 60_000);

  test('of a version that leaks memory into the limit of the kernel moves the canary alone, and takes it back', async () => {
    onTestFailed(() => void process.stderr.write(engine.output()));
    const container = { kind: 'docker', image: plainImage, stop_grace_seconds: 1, memory_mebibytes: 16 };
    const runtime = { ...container, command: ['sleep', '100000'] };
    const fleet = await openFleet(rig, { instances: 8, runtime });
    const versions = await fleet.versions();
    await fleet.publish('bad', { ...container, command: ['sh', '-c', 'sleep 3; exec tail /dev/zero'] });
    const id = await fleet.request('bad', {
      canary: { percent: 25 },
      max_parallel: { count: 4 },
      min_healthy_seconds: 30,
      healthy_deadline_seconds: 90,
    });
    const report = await watcher.until(id, 180_000);

    expect(report).toMatchObject({ ended: 'rollout.rolled_back', most_moves: 1 });
    expect(report.moved).toHaveLength(2);
    expect(report.reverted).toEqual(report.moved);
    expect(report.body).toMatchObject({
      total: 8,
      moved: 2,
      healthy: 0,
      reverted: 2,
      reason: { code: 'canary_failed' },
    });
    expect(report.body.reason?.message).toContain('It ran out of memory: its limit is 16 MiB (memory_mebibytes).');
    await fleet.untilRunning(versions);
    expect(await versionsOfContainers(versions.keys())).toEqual(versions);
    expect(await fleet.version('bad')).toMatchObject({ withdrawn: true, stable: false });
  }, 420_000);

  /** The version in the environment of each instance's running container. */
  async function versionsOfContainers(ids: Iterable<string>): Promise<Map<string, string | undefined>> {
    const read = async (id: string): Promise<[string, string | undefined]> => {
      const running = (await containersOf(docker, id)).filter(({ State }) => State === 'running');
      expect(running).toHaveLength(1);
      const { Config } = await docker.getContainer(running[0]?.Id ?? '').inspect();
      return [id, Config.Env.find((entry) => entry.startsWith('VERSION='))?.slice('VERSION='.length)];
    };
    return new Map(await Promise.all([...ids].map(read)));
  }
});
