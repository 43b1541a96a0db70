import { beforeAll, expect, test } from 'vitest';
import { outline } from '../support/bus.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig({ services: ['event_broker', 'agents_worker'] });
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
});

test('an inserted row runs, a deleted row is cleaned up, and nothing is said twice, ten times out of ten', async () => {
  for (let round = 1; round <= 10; round += 1) {
    const id = await rig.insertInstance(agentId, { round });
    await rig.bus.until(id, 'instance.updated', 'running');
    expect(await rig.processes(id)).toHaveLength(1);

    await rig.deleteInstance(id);
    await rig.bus.until(id, 'instance.updated', 'stopped');
    await rig.workflow(id).result();
    expect(await rig.processes(id)).toHaveLength(0);

    await rig.untilBusIsQuiet();
    expect(outline(rig.bus.of(id))).toBe(
      'instance.created pending, instance.updated running, instance.deleted, instance.updated stopped',
    );
  }
});

test('what an event caused can be traced back to it', async () => {
  const id = await rig.insertInstance(agentId);
  const running = await rig.bus.until(id, 'instance.updated', 'running');
  const [created] = rig.bus.of(id);
  expect(running.headers).toMatchObject({
    'cloudEvents:causationid': created?.id,
    'cloudEvents:correlationid': created?.headers['cloudEvents:correlationid'],
    'cloudEvents:traceparent': created?.headers['cloudEvents:traceparent'],
  });
});
