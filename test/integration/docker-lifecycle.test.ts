import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { go, untilGo } from '../support/docker-agents.ts';
import { engineAt, plainImage } from '../support/docker-images.ts';
import { openRig, type Rig } from '../support/rig.ts';

const container = { kind: 'docker', image: plainImage, stop_grace_seconds: 1 };

describe.skipIf(!inject('docker'))('an instance whose agent is a container', () => {
  const host = inject('docker')?.host ?? '';
  let rig: Rig;

  const containersOf = (id: string) =>
    engineAt(host).listContainers({ all: true, filters: { name: [`^/instance-${id}$`] } });

  beforeAll(async () => {
    rig = await openRig({ settings: { DOCKER_HOST: host } });
    await rig.startAll();
  });
  afterAll(() => rig.close());

  test('runs, is replaced when its config changes, and is gone with its row', async () => {
    const id = await rig.insertInstance(await rig.publishAgent(container), { round: 1 });
    await rig.bus.until(id, 'instance.updated', 'running');
    const [first] = await containersOf(id);
    await rig.pool.query('update instances set config = $2 where id = $1', [id, { round: 2 }]);
    await vi.waitUntil(async () => {
      const [current] = await containersOf(id);
      return current?.State === 'running' && current.Id !== first?.Id;
    }, 20_000);
    await rig.deleteInstance(id);
    await rig.bus.until(id, 'instance.updated', 'stopped');
    expect(await containersOf(id)).toEqual([]);
  });

  test('becomes failed with the reason when its agent ends, and nothing of it is left', async () => {
    const command = ['sh', '-c', `${untilGo}; echo no fuel; exit 3`];
    const id = await rig.insertInstance(await rig.publishAgent({ ...container, command }));
    await rig.bus.until(id, 'instance.updated', 'running');
    await go(engineAt(host).getContainer(`instance-${id}`));
    const { body } = await rig.bus.until(id, 'instance.updated', 'failed');
    expect(body).toMatchObject({
      metadata: { status_reason: { code: 'agent_exited', message: expect.stringContaining('no fuel') } },
    });
    expect(await containersOf(id)).toEqual([]);
    await rig.deleteInstance(id);
    await rig.bus.until(id, 'instance.updated', 'stopped');
  });

  test('runs again when somebody removes its container', async () => {
    const id = await rig.insertInstance(await rig.publishAgent(container));
    await rig.bus.until(id, 'instance.updated', 'running');
    const [first] = await containersOf(id);
    await engineAt(host)
      .getContainer(first?.Id ?? '')
      .remove({ force: true });
    await vi.waitUntil(async () => (await containersOf(id))[0]?.State === 'running', 20_000);
    await rig.deleteInstance(id);
    await rig.bus.until(id, 'instance.updated', 'stopped');
    expect(await containersOf(id)).toEqual([]);
  });
});

test('an instance whose agent is a container waits where no worker has an engine, and can be deleted', async () => {
  const rig = await openRig();
  try {
    await rig.startAll();
    const id = await rig.insertInstance(await rig.publishAgent(container));
    await vi.waitUntil(async () => {
      const found = await rig
        .workflow(id)
        .describe()
        .catch(() => undefined);
      const failure = found?.raw.pendingActivities?.[0]?.lastFailure;
      return failure?.message?.includes('set DOCKER_HOST of agents_worker');
    }, 20_000);
    await rig.deleteInstance(id);
    const { body } = await rig.bus.until(id, 'instance.updated', 'stopped');
    expect(body).toMatchObject({ instance_id: id });
  } finally {
    await rig.close();
  }
});
