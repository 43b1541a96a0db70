import { afterAll, expect, test } from 'vitest';
import { rolloutWorkflowId } from '../../contracts/names.ts';
import { useRig } from '../support/rig.ts';
import { rolloutsOn } from '../support/rollouts.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

const rig = useRig({ services: ['event_broker'] });
const workers: WorkerProcess[] = [];
const startWorker = (): WorkerProcess => {
  const worker = startWorkerProcess('agents-worker', rig.environmentOf('agents_worker'));
  workers.push(worker);
  return worker;
};
afterAll(() => Promise.all(workers.map((worker) => worker.kill('SIGKILL'))));

test('a worker that is killed in the middle of a wave, and another one that is stopped, leave the rollout where it was', async () => {
  const { start, publish, request, quick, until, untilRunning, mostOut, read } = rolloutsOn(rig);
  const first = startWorker();
  const { agentId, ids } = await start(6);
  await publish(agentId, '2');
  const id = await request(agentId, '2', {
    ...quick,
    canary: { count: 2 },
    min_healthy_seconds: 2,
    healthy_deadline_seconds: 120,
  });
  await until(id, 'progressing');
  await first.kill('SIGKILL');
  const second = startWorker();
  await expect.poll(async () => (await read(id)).wave, { timeout: 60_000 }).toBeGreaterThanOrEqual(2);
  expect(await second.kill('SIGTERM')).toBe(0);
  startWorker();
  expect(await until(id, 'completed')).toMatchObject({ moved: 6, healthy: 6, wave: 3 });
  await untilRunning(agentId, '2', 6);
  await rig.bus.until(id, 'rollout.completed');
  expect(mostOut(agentId, '2')).toBeLessThanOrEqual(2);
  // Each was moved once.
  const { rows } = await rig.pool.query<{ moves: number }>(
    `select count(*)::int as moves from event_log l join event_log r on r.event_id = l.causation_id
     where r.entity_id = $1 and l.entity_id = any ($2) and l.notification -> 'row_data' ->> 'status' = 'running'
       and l.notification -> 'row_data' ->> 'generation' <> l.notification -> 'row_data' ->> 'observed_generation'`,
    [id, ids],
  );
  expect(rows).toEqual([{ moves: 6 }]);
  await rig.client.workflow.getHandle(rolloutWorkflowId(agentId)).result();
}, 180_000);
