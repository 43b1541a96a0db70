import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { preparePython } from '../support/python.ts';
import { useRig } from '../support/rig.ts';
import { createRolloutRows, type RolloutRows } from '../support/rollout-rows.ts';

/** The example of docs/rollouts.md. What the engine would do to the rows is done here. */
const example = fileURLToPath(new URL('../../examples/roll-out/roll_out.py', import.meta.url));
const found = await preparePython('../../../examples/roll-out/requirements.txt');
const rig = useRig({ services: ['event_broker'] });
let rows: RolloutRows;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'roll-out-'));
  await writeFile(join(folder, 'runtime.json'), '{"kind": "process", "command": ["true"]}');
});
beforeEach(async ({ skip }) => {
  if ('missing' in found) skip(found.missing);
  rows = await createRolloutRows(rig.environment.DATABASE_URL);
  return () => rows.close();
});
afterAll(() => rm(folder, { recursive: true }));

test.each<[what: string, end: (id: string) => Promise<unknown>, code: number, last: RegExp]>([
  [
    'is completed',
    async (id) => {
      await rows.move(id, 1);
      for (const instance of Object.keys(await rows.outcomes(id))) await rows.run(instance);
      await rows.judge(id, { minHealthy: 0 });
      await rows.complete(id);
    },
    0,
    /^rollout\.completed .*"healthy":1/,
  ],
  [
    'goes back',
    async (id) => {
      await rows.move(id, 1);
      await rows.beginRollback(id);
      await rows.revert(id);
      await rows.recordRollout(id, 'rolled_back');
    },
    3,
    /^rollout\.rolled_back .*"reverted":1/,
  ],
  ['is aborted', (id) => rows.recordRollout(id, 'aborted', { code: 'aborted' }), 3, /^rollout\.updated .*"aborted"/],
])('a program in Python with one row and one queue hears that its rollout %s', async (_, end, code, last) => {
  if ('missing' in found) return;
  await rows.insertRunning(1);
  const child = spawn(found.python, [example, rows.agentId, '4', join(folder, 'runtime.json')], {
    env: { ...process.env, DATABASE_URL: rig.environment.DATABASE_URL, AMQP_URL: rig.environment.AMQP_URL },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const ended = once(child, 'close');
  const id = await vi.waitFor(
    async () => {
      const { rows: begun } = await rows.pool.query<{ id: string }>('select id from rollouts where agent_id = $1', [
        rows.agentId,
      ]);
      if (!begun[0]) throw new Error('The program has not inserted the row yet.');
      return begun[0].id;
    },
    { timeout: 40_000, interval: 50 },
  );
  await end(id);
  expect(await ended).toEqual([code, null]);
  const lines = printed.trim().split('\n');
  expect(lines[0]).toMatch(/^rollout\.requested .*"version":"4"/);
  expect(lines.at(-1)).toMatch(last);
});
