import { beforeAll, expect, test } from 'vitest';
import { silenceReplay } from '../../cli/replay-gate/silence-replay.ts';
import { bundleChangedWorkflows, type Change } from './changed-workflows.ts';
import { findHistories } from './histories.ts';
import { replayHistories } from './replay-histories.ts';

const workflow = 'instance-workflow.ts';
const activities = 'step-activities.ts';
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
  expect(broken).toEqual(expect.arrayContaining(['cannot-be-cleaned-up-when-deleted', 'deleted-as-it-becomes-ready']));
});

test('a removed timer is caught', async () => {
  const pause = 'else if (!(await condition(() => inbox.length > 0, Math.max(effect.until - Date.now(), 1))))';
  const broken = await brokenBy({ file: workflow, from: pause, to: 'else' });
  expect(broken).toEqual(expect.arrayContaining(['restarts-up-to-its-limit', 'waits-for-its-restart']));
});

test('a changed activity name is caught', async () => {
  const change = {
    file: activities,
    from: "rowActivities('Find the host').place",
    to: "rowActivities('Find the host').find",
  };
  expect(await brokenBy(change)).toContain('runs-on');
});

test('a new await before the first activity is caught', async () => {
  const awaits = "  await condition(() => false, '1 second');\n  for (;;) {";
  const broken = await brokenBy({ file: workflow, from: '  for (;;) {', to: awaits });
  expect(broken).toEqual(expect.arrayContaining(['runs-on', 'deleted-before-created', 'inserted-as-stopped']));
});

test('the same behind patched() is let through', async () => {
  const broken = await brokenBy(
    { file: workflow, from: '  condition,\n', to: '  condition,\n  patched,\n' },
    {
      file: workflow,
      from: '  for (;;) {',
      to: "  if (patched('waits-at-first')) await condition(() => false, '1 second');\n  for (;;) {",
    },
  );
  expect(broken).toEqual([]);
});

test('a change that alters no command is let through', async () => {
  const broken = await brokenBy(
    { file: activities, from: "summary: 'Run the agent'", to: "summary: 'Start the agent'" },
    { file: 'describe-progress.ts', from: 'At rest', to: 'Resting' },
  );
  expect(broken).toEqual([]);
});
