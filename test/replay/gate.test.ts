import { beforeAll, expect, test } from 'vitest';
import { silenceReplay } from '../../cli/replay-gate/silence-replay.ts';
import { bundleChangedWorkflows, type Change } from './changed-workflows.ts';
import { findHistories } from './histories.ts';
import { replayHistories } from './replay-histories.ts';

const workflow = 'instance-workflow.ts';
const { histories } = await findHistories();

beforeAll(() => silenceReplay());

/** The names of the recorded histories that the changed code does not repeat. */
async function brokenBy(...changes: Change[]): Promise<string[]> {
  const differences = await replayHistories(await bundleChangedWorkflows(changes), histories);
  return [...differences].flatMap(([name, difference]) => (difference === undefined ? [] : [name]));
}

test('a reordered activity is caught', async () => {
  // The final status is recorded before the clean-up instead of after it.
  const endedBefore = "knownRow.kind === 'gone' && knownRow.finalStatusRecorded && isClean";
  const broken = await brokenBy(
    { file: 'transitions.ts', from: "gone: 'cleanUp'", to: "gone: 'recordFinal'" },
    {
      file: 'decide.ts',
      from: `if (${endedBefore}) return { type: 'complete' };`,
      to: `if (${endedBefore}) return { type: 'complete' };
  if (knownRow.kind === 'gone' && knownRow.finalStatusRecorded) return cleanUpOf(state);`,
    },
  );
  expect(broken).toContain('runs-and-is-deleted');
});

test('a removed timer is caught', async () => {
  const pause = 'else if (!(await condition(() => inbox.length > 0, Math.max(effect.until - Date.now(), 1))))';
  const broken = await brokenBy({ file: workflow, from: pause, to: 'else' });
  expect(broken).toEqual(expect.arrayContaining(['restarts-up-to-its-limit', 'waits-for-its-restart']));
});

test('a changed activity name is caught', async () => {
  const change = { file: 'effects.ts', from: 'taskQueue }).provision', to: 'taskQueue }).runAgent' };
  expect(await brokenBy(change)).toContain('runs-on');
});

test('a new await before the first activity is caught', async () => {
  const awaits = "  await condition(() => false, '1 second');\n  for (;;) {";
  const broken = await brokenBy({ file: workflow, from: '  for (;;) {', to: awaits });
  expect(broken).toEqual(expect.arrayContaining(['runs-on', 'deleted-before-created', 'inserted-as-stopped']));
});

test('a change made without patched() is caught by the histories from before it', async () => {
  const unguarded = { file: 'show-status.ts', from: "!patched('status-reason-attribute')", to: 'false' };
  expect(await brokenBy(unguarded)).toContain('before-status-reason-attribute/inserted-as-stopped');
});

test('so is one that reads the row where runs from before it did not', async () => {
  const change = { file: workflow, from: '!patched(rowIsRead)', to: 'false' };
  const broken = await brokenBy(change);
  expect(broken).toContain('before-row-is-read/runs-and-is-deleted');
});

test('so is one that ends a run with many messages where runs from before it went on', async () => {
  const most = { file: workflow, from: 'mostMessages = 2_000', to: 'mostMessages = 2' };
  expect(await brokenBy(most)).toEqual([]);
  const broken = await brokenBy(most, { file: workflow, from: ' && patched(workIsHandedOn)', to: '' });
  expect(broken).toContain('stopped-while-provisioning');
}, 180_000);

test('a change that alters no command is let through', async () => {
  const broken = await brokenBy(
    { file: 'effects.ts', from: "summary: 'Run the agent'", to: "summary: 'Start the agent'" },
    { file: 'describe-progress.ts', from: 'At rest', to: 'Resting' },
  );
  expect(broken).toEqual([]);
});
