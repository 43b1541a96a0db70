import { expect, test, onTestFinished, vi } from 'vitest';
import { runInstances } from '../support/command-line.ts';
import { openRig } from '../support/rig.ts';

const patience = { timeout: 40_000, interval: 50 };

test('without event_broker, and then without agents_worker, explain says which one is awaited', async () => {
  const rig = await openRig();
  onTestFinished(() => rig.close());
  const agentId = await rig.publishAgent();
  const id = await rig.insertInstance(agentId);
  const verdict = async (): Promise<string> => (await runInstances(['explain', id], rig.environment)).out.trim().split('\n').at(-1) ?? ''; // prettier-ignore
  await vi.waitFor(
    async () => expect(await verdict()).toMatch(/^waiting for event_broker, which has not published #1 since /),
    patience,
  );
  const broker = await rig.startEventBroker();
  await broker.ready();
  await rig.bus.until(id, 'instance.created');
  await vi.waitFor(
    async () =>
      expect(await verdict()).toMatch(/^waiting for generation 1 to be running, but no workflow looks after it: /),
    patience,
  );
  const worker = await rig.startAgentsWorker();
  await worker.ready();
  await rig.bus.until(id, 'instance.updated', 'running');
  await vi.waitFor(async () => expect(await verdict()).toMatch(/^running generation 1 since /), patience);
});
