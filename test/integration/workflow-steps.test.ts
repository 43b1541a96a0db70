import { expect, test } from 'vitest';
import { instanceStateQuery } from '../../workflows/instance-state-query.ts';
import { replayAll } from '../support/replay.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig({ services: ['event_broker'] });

async function untilObserved(ids: readonly string[]): Promise<void> {
  const readLate = async (): Promise<unknown[]> => {
    const { rows } = await rig.pool.query(
      'select id from instances where id = any($1) and (status <> desired_state or observed_generation <> generation)',
      [ids],
    );
    return rows;
  };
  await expect.poll(readLate, { timeout: 60_000 }).toEqual([]);
}

test('instances that people look at while they change can be replayed', async () => {
  const worker = await rig.startAgentsWorker();
  const agentId = await rig.publishAgent();
  const ids = await Promise.all(Array.from({ length: 8 }, () => rig.insertInstance(agentId)));
  await untilObserved(ids);
  let isOver = false;
  const looking = ids.map(async (id) => {
    while (!isOver) await rig.workflow(id).query(instanceStateQuery);
  });
  for (let turn = 1; turn <= 20; turn += 1) {
    for (const id of ids) {
      const desired = turn % 3 === 0 ? 'stopped' : 'running';
      await rig.pool.query('update instances set config = $2, desired_state = $3 where id = $1', [
        id,
        { turn },
        desired,
      ]);
    }
  }
  await untilObserved(ids);
  isOver = true;
  await Promise.all(looking);
  expect(await replayAll(rig.client, rig.environment.TASK_QUEUE)).toBeGreaterThanOrEqual(ids.length);
  await worker.stop();
}, 180_000);
