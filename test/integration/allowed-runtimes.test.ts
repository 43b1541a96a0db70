import { expect, test } from 'vitest';
import { openRig } from '../support/rig.ts';

test('an agent of a kind that ALLOWED_RUNTIMES does not name is never started, and one that ran before is still ended', async () => {
  const settings = { ALLOWED_RUNTIMES: 'process' };
  const rig = await openRig({ settings });
  try {
    await rig.startEventBroker();
    const worker = await rig.startAgentsWorker();
    await worker.ready();
    const agent = await rig.publishAgent();
    const ran = await rig.insertInstance(agent);
    await rig.bus.until(ran, 'instance.updated', 'running');
    await worker.stop();

    settings.ALLOWED_RUNTIMES = 'docker';
    await (await rig.startAgentsWorker()).ready();
    const refused = await rig.insertInstance(agent);
    const { body } = await rig.bus.until(refused, 'instance.updated', 'failed');
    const message = 'An agent of the kind process must not be started: ALLOWED_RUNTIMES of agents_worker is docker.';
    expect(body).toMatchObject({ metadata: { status_reason: { code: 'spec_rejected', message } } });
    expect(await rig.processes(refused)).toEqual([]);

    await rig.deleteInstance(ran);
    await rig.bus.until(ran, 'instance.updated', 'stopped');
    expect(await rig.processes(ran)).toEqual([]);
  } finally {
    await rig.close();
  }
});
