import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { instanceWorkflowId, instanceWorkflowType } from '../../contracts/names.ts';
import { checkReplay } from '../../replay/check-replay.ts';
import { bundleChangedWorkflows } from '../replay/changed-workflows.ts';
import { replayAll } from '../support/replay.ts';
import { useRig } from '../support/rig.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

const rig = useRig({ services: ['event_broker', 'agents_worker'] });
let folder: string;
/** A bundle of code in which an activity has another name. */
let changed: string;
let running: string;
let ended: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replay-gate-'));
  changed = join(folder, 'changed.js');
  const change = {
    file: 'step-activities.ts',
    from: "rowActivities('Read the row').readRow",
    to: "rowActivities('Read the row').tidyUp",
  };
  await writeFile(changed, (await bundleChangedWorkflows([change])).code);
  const agentId = await rig.publishAgent();
  [running, ended] = await Promise.all([rig.insertInstance(agentId), rig.insertInstance(agentId)]);
  await Promise.all([running, ended].map((id) => rig.bus.until(id, 'instance.updated', 'running')));
  await rig.deleteInstance(ended);
  await rig.workflow(ended).result();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** `npm run replay` as a person or a pipeline runs it. */
async function replay(...args: string[]) {
  const gate = startWorkerProcess('instances', {}, ['replay', ...args]);
  return { exitCode: await gate.exit, output: gate.output() };
}

const address = () => ['--address', rig.environment.TEMPORAL_ADDRESS];
const ofThisTest = () => [
  '--query',
  `TaskQueue = '${rig.environment.TASK_QUEUE}' and WorkflowType = '${instanceWorkflowType}'`,
];

describe('npm run replay', () => {
  test('passes when the working tree replays what runs and what has ended', async () => {
    const { exitCode, output } = await replay(...address(), ...ofThisTest());
    expect(output).toMatch(/^REPLAYS: [2-9] replayed, 0 failed, 0 not begun, 0 vanished meanwhile$/m);
    expect(exitCode).toBe(0);
  });

  test('fails for code that does not, and names each workflow, its run and what differs', async () => {
    const { exitCode, output } = await replay(...address(), ...ofThisTest(), '--bundle', changed);
    const { runId } = await rig.workflow(ended).describe();
    expect(output).toMatch(new RegExp(`^BREAKS instance/${ended}, run ${runId}: .*nondeterminism.*tidyUp`, 'm'));
    expect(output).not.toContain(`BREAKS instance/${running}`);
    expect(output).toMatch(/^BREAKS: [1-9] replayed, 1 failed/m);
    expect(exitCode).toBe(1);
  });

  test.concurrent.for([
    { name: 'nobody answers', args: ['--address', '127.0.0.1:1'], says: 'Start it, or correct --address' },
    { name: 'nothing matches', args: ['--query', "TaskQueue = 'nobody'"], says: 'no workflow matches' },
    { name: 'the query is none', args: ['--query', 'Nonsense ='], says: 'invalid query' },
    { name: 'the namespace is unknown', args: ['--namespace', 'nowhere'], says: 'nowhere' },
    { name: 'the bundle is missing', args: ['--bundle', 'no-such-file.js'], says: 'Make it with npm run build' },
    { name: 'an option is wrong', args: ['--limit', 'many'], says: 'whole number' },
  ])('says that it could not check when $name', async ({ args, says }) => {
    const { exitCode, output } = await replay(...(args.includes('--address') ? [] : address()), ...args);
    expect(output).toContain(says);
    expect(output).not.toContain('    at ');
    expect(exitCode).toBe(2);
  });
});

test('a rig that is closed replays what was started on it, and names what does not', async () => {
  const { TASK_QUEUE } = rig.environment;
  expect(await replayAll(rig.client, TASK_QUEUE)).toBeGreaterThanOrEqual(2);
  await expect(replayAll(rig.client, TASK_QUEUE, changed)).rejects.toThrow(`of instance/${ended}: `);
});

test('runs that vanish while they are checked, or have not begun, are counted and stop nothing', async () => {
  const idle = instanceWorkflowId(randomUUID());
  const notBegun = await rig.client.workflow.start(instanceWorkflowType, {
    workflowId: idle,
    taskQueue: `nobody-${rig.environment.TASK_QUEUE}`,
    args: [{ instanceId: randomUUID() }],
  });
  const { runId } = await rig.workflow(ended).describe();
  const counts = await checkReplay({
    client: rig.client,
    workflowBundle: { codePath: inject('workflowBundle') },
    runs: [
      { workflowId: instanceWorkflowId(ended), runId: randomUUID() },
      { workflowId: idle, runId: notBegun.firstExecutionRunId },
      { workflowId: instanceWorkflowId(ended), runId },
    ],
    onFailure: ({ message }) => expect.unreachable(message),
  });
  await notBegun.terminate();
  expect(counts).toEqual({ replayed: 1, failed: 0, notBegun: 1, vanished: 1 });
});
