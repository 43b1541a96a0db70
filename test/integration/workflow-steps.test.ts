import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { instanceStateQuery } from '../../workflows/instance-state-query.ts';
import { bundleChangedWorkflows } from '../replay/changed-workflows.ts';
import { readHistory } from '../support/history.ts';
import { replayAll } from '../support/replay.ts';
import { one, useRig } from '../support/rig.ts';
import { useOpened } from '../support/use-opened.ts';

const rig = useRig({ services: ['event_broker'] });

/** The workflow code of a release whose steps on rows were local activities. */
const old = useOpened(
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'old-workflows-'));
    const bundle = await bundleChangedWorkflows([
      { file: 'instance-workflow.ts', from: 'patched(hasNoLocalSteps)', to: 'false' },
    ]);
    await writeFile(join(folder, 'bundle.js'), 'code' in bundle ? bundle.code : '');
    return { folder, bundle: join(folder, 'bundle.js') };
  },
  ({ folder }) => rm(folder, { recursive: true, force: true }),
);

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

test('a run whose steps are local activities is replaced at its next message by one whose steps are not', async () => {
  const before = await rig.startAgentsWorker({ WORKFLOW_BUNDLE: old.bundle });
  const id = await rig.insertInstance(await rig.publishAgent());
  await untilObserved([id]);
  await before.stop();
  expect((await readHistory(rig.workflow(id))).activities).toEqual(['provision']);
  const { runId } = await rig.workflow(id).describe();
  const pids = await rig.processes(id);

  const worker = await rig.startAgentsWorker();
  await rig.workflow(id).signal('instanceMessage', { type: 'checkRequested' });
  await expect.poll(async () => (await rig.workflow(id).describe()).runId).not.toBe(runId);
  await expect.poll(async () => (await readHistory(rig.workflow(id))).activities).toContain('readRow');
  await untilObserved([id]);
  expect(await rig.processes(id)).toEqual(pids);
  expect(one((await rig.pool.query('select generation::int from instances where id = $1', [id])).rows)).toEqual({
    generation: 1,
  });
  await worker.stop();
}, 120_000);
