import { expect, test, vi } from 'vitest';
import { queueNames } from '../../contracts/names.ts';
import { deadLetterQueueOf } from '../../contracts/topology.ts';
import { one, useRig } from '../support/rig.ts';

/** Twice what Temporal takes of one run of a workflow. */
const changes = 20_000;
const queue = queueNames.agentsWorkerInstance;

const rig = useRig({ services: ['event_broker', 'agents_worker'] });

test('a row that changes 20,000 times faster than its workflow acts is followed to its last version, and nothing is refused or dead-lettered', async () => {
  const id = await rig.insertInstance(await rig.publishAgent(), { turn: 0 });
  await rig.bus.until(id, 'instance.updated', 'running');
  await rig.pool.query(
    `do $$ begin
       for turn in 1..${changes} loop
         update instances set config = jsonb_build_object('turn', turn) where id = '${id}';
       end loop;
     end $$`,
  );
  await vi.waitFor(
    async () => {
      const { rows } = await rig.pool.query('select status, generation::int, observed_generation::int from instances');
      expect(one(rows)).toEqual({ status: 'running', generation: changes + 1, observed_generation: changes + 1 });
      expect(await rig.bus.channel.checkQueue(queue)).toMatchObject({ messageCount: 0 });
    },
    { timeout: 300_000, interval: 1_000 },
  );
  expect(await rig.bus.channel.checkQueue(deadLetterQueueOf(queue))).toMatchObject({ messageCount: 0 });
  expect(await rig.processes(id)).toHaveLength(1);
  expect(rig.log.filter(({ msg }) => msg.includes('refuse'))).toEqual([]);
  await rig.deleteInstance(id);
  await vi.waitFor(async () => expect(await rig.processes(id)).toEqual([]), 60_000);
}, 420_000);
