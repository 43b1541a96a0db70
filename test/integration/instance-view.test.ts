import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { readInstanceView } from '../../database/instances/view.ts';
import { explainInstance } from '../../explain/explain-instance.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig();

test('user_backend, which may not read how agents are run, reads an instance with the kind of its runtime', async () => {
  const id = await rig.insertInstance(await rig.publishAgent());
  const client = await rig.connect();
  await client.query('set role user_backend');
  expect(await readInstanceView(client, id)).toMatchObject({ id, agent_name: 'test', agent_runtime: 'process' });
  const explained = await explainInstance({ instanceId: id, last: 10, sources: { database: (read) => read(client) } });
  expect(explained).toMatchObject({
    answered: true,
    explanation: { instance_id: id, missing: [], runtime: null, timeline: [{ source: 'row', bad: false }] },
  });
  await expect(client.query('select runtime from agents')).rejects.toThrow('permission denied for table agents');
});

test('an instance whose agent is not published is read, and one that never was is not', async () => {
  const id = await rig.insertInstance(randomUUID());
  const known = { agent_name: null, agent_version: null, agent_retired: false, agent_runtime: null };
  expect(await readInstanceView(rig.pool, id)).toMatchObject({ id, ...known });
  expect(await readInstanceView(rig.pool, randomUUID())).toBeUndefined();
});
