import { expect, inject, test, vi } from 'vitest';
import { openControl } from '../support/control.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig({ settings: { CONTROL_AMQP_URL: '' }, services: ['event_broker', 'agents_worker'] });

test('an agent that listens waits where agents_worker has no account for it, and never gets that of agents_worker', async () => {
  const control = openControl(rig, inject('servers').managementUrl);
  const [listening, deaf] = await Promise.all([control.publishAgent(), rig.publishAgent()]);
  const [waiting, running] = await Promise.all([rig.insertInstance(listening), rig.insertInstance(deaf)]);
  await rig.bus.until(running, 'instance.updated', 'running');
  await vi.waitFor(
    async () => {
      const { raw } = await rig.workflow(waiting).describe();
      expect(raw.pendingActivities?.[0]?.lastFailure?.message).toContain('set CONTROL_AMQP_URL of agents_worker');
    },
    { timeout: 20_000 },
  );
  expect(await rig.processes(waiting)).toEqual([]);

  await rig.deleteInstance(waiting);
  await rig.workflow(waiting).result();
  expect(await control.told(waiting)).toEqual([]);
});
