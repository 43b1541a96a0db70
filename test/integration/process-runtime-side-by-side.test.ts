import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, vi } from 'vitest';
import type { ProvisionRequest } from '../../runtimes/runtime.ts';
import type { ProcessSpec } from '../../runtimes/process/spec.ts';
import { killAgent, type AgentRig } from '../support/process-agents.ts';
import { readReports, servingWorkerPollMs, workerTest, type ServingWorker } from '../support/serving-workers.ts';

/** An end is reported within seconds, also when the worker that started the agent is paused. */
const reportedWithin = { timeout: 15_000, interval: 50 };

const untilReported = ({ directory }: AgentRig, ends: number) =>
  vi.waitUntil(async () => (await readReports(directory)).length >= ends, reportedWithin);

/** Resolves once the folder of the instance notes that the end of this start was reported. */
const untilNoted = (rig: AgentRig, { instanceId, runtimeId }: { instanceId: string; runtimeId: string }) =>
  vi.waitUntil(
    async () => (await readFile(join(rig.folderOf(instanceId), 'reported'), 'utf8').catch(() => '')) === runtimeId,
    reportedWithin,
  );

/** Every end was reported once, by whom. A marker's end comes after all of them, and is reported by the worker that started it. */
async function expectReports(
  rig: AgentRig,
  expected: { by: string; runtimeId: string }[],
  through: ServingWorker,
): Promise<void> {
  await untilReported(rig, expected.length);
  const marker = rig.request();
  const runtimeId = await through.provision(marker);
  await killAgent(marker.instanceId);
  await untilReported(rig, expected.length + 1);
  await afterSearches(2);
  const reports = (await readReports(rig.directory)).map((report) => ({ by: report.by, runtimeId: report.runtimeId }));
  const sorted = (list: typeof expected) => list.toSorted((a, b) => (a.runtimeId < b.runtimeId ? -1 : 1));
  expect(sorted(reports)).toEqual(sorted([...expected, { by: expect.any(String), runtimeId }]));
}

/** Resolves after each worker has searched the folder so many times for agents of the others. */
const afterSearches = (searches: number) => setTimeout(searches * 3 * servingWorkerPollMs + 200);

async function provisionAll(rig: AgentRig, worker: ServingWorker, count: number) {
  const requests: ProvisionRequest<ProcessSpec>[] = Array.from({ length: count }, () => rig.request());
  const runtimeIds = await Promise.all(requests.map((request) => worker.provision(request)));
  return requests.map(({ instanceId }, index) => ({ instanceId, runtimeId: runtimeIds[index] ?? '' }));
}

workerTest.concurrent(
  'the agents of a worker that was killed are reported by the other one, once each',
  async ({ rig, startWorker }) => {
    const [left, right] = await Promise.all([startWorker('left'), startWorker('right')]);
    const agents = await provisionAll(rig, left, 5);
    await left.kill();
    await Promise.all(agents.map(({ instanceId }) => killAgent(instanceId)));
    await expectReports(
      rig,
      agents.map(({ runtimeId }) => ({ by: 'right', runtimeId })),
      right,
    );
  },
);

workerTest.concurrent(
  'while both live, each reports its own agents, with their exit codes',
  async ({ rig, startWorker }) => {
    const [left, right] = await Promise.all([startWorker('left'), startWorker('right')]);
    const script = 'while [ ! -e go ]; do sleep 0.05; done; exit 3';
    const [ofLeft, ofRight] = [rig.request({ script }), rig.request({ script })];
    const expected = [
      { by: 'left', runtimeId: await left.provision(ofLeft) },
      { by: 'right', runtimeId: await right.provision(ofRight) },
    ];
    // Until each has found the agent of the other.
    await afterSearches(1);
    await Promise.all(
      [ofLeft, ofRight].map(({ instanceId }) => writeFile(join(rig.folderOf(instanceId), 'state', 'go'), '')),
    );
    await expectReports(rig, expected, left);
    for (const { kind, message } of (await readReports(rig.directory)).slice(0, 2)) {
      expect({ kind, message }).toEqual({ kind: 'exited', message: expect.stringContaining('exit code 3') });
    }
  },
);

workerTest.concurrent(
  'the agents of a paused worker are reported by the other one, and not again when it goes on',
  async ({ rig, startWorker }) => {
    const [left, right] = await Promise.all([startWorker('left'), startWorker('right')]);
    const agents = await provisionAll(rig, left, 3);
    left.signal('SIGSTOP');
    await Promise.all(agents.map(({ instanceId }) => killAgent(instanceId)));
    await untilReported(rig, agents.length);
    left.signal('SIGCONT');
    await expectReports(
      rig,
      agents.map(({ runtimeId }) => ({ by: 'right', runtimeId })),
      left,
    );
    expect((await right.ask({})).error).toBeUndefined();
  },
);

workerTest.concurrent(
  'a worker that is started while another lives reports the agents of that one only after its death',
  async ({ rig, startWorker }) => {
    const left = await startWorker('left');
    const [first, second] = await provisionAll(rig, left, 2);
    if (!first || !second) throw new Error('there are two agents');
    const right = await startWorker('right');
    await killAgent(first.instanceId);
    // A report that is not noted yet when its worker dies is made again.
    await untilNoted(rig, first);
    await left.kill();
    await killAgent(second.instanceId);
    await expectReports(
      rig,
      [
        { by: 'left', runtimeId: first.runtimeId },
        { by: 'right', runtimeId: second.runtimeId },
      ],
      right,
    );
  },
);

workerTest.concurrent(
  'an end that came after the death of the worker and before the other one found the agent is reported once',
  async ({ rig, startWorker }) => {
    const [left, right] = await Promise.all([startWorker('left'), startWorker('right')]);
    right.signal('SIGSTOP');
    const agents = await provisionAll(rig, left, 2);
    await left.kill();
    await Promise.all(agents.map(({ instanceId }) => killAgent(instanceId)));
    right.signal('SIGCONT');
    await expectReports(
      rig,
      agents.map(({ runtimeId }) => ({ by: 'right', runtimeId })),
      right,
    );
  },
);

workerTest.concurrent(
  'two workers that both outlive the one that started the agents report each end once',
  async ({ rig, startWorker }) => {
    const [left, middle, right] = await Promise.all([startWorker('left'), startWorker('middle'), startWorker('right')]);
    const agents = await provisionAll(rig, left, 10);
    await afterSearches(1);
    await left.kill();
    await Promise.all(agents.map(({ instanceId }) => killAgent(instanceId)));
    await expectReports(
      rig,
      agents.map(({ runtimeId }) => ({ by: expect.any(String), runtimeId })),
      middle,
    );
    expect((await right.ask({})).error).toBeUndefined();
  },
);

workerTest.concurrent(
  'when a worker dies between a report and its note, the end is reported again with the same id, and then noted',
  async ({ rig, startWorker }) => {
    const [left, right] = await Promise.all([startWorker('left'), startWorker('right')]);
    const agents = await provisionAll(rig, left, 1);
    const [{ instanceId, runtimeId } = { instanceId: '', runtimeId: '' }] = agents;
    await left.ask({ dieAfterReport: true });
    await killAgent(instanceId);
    await left.exit;
    await expectReports(
      rig,
      [
        { by: 'left', runtimeId },
        { by: 'right', runtimeId },
      ],
      right,
    );
    expect(await readFile(join(rig.folderOf(instanceId), 'reported'), 'utf8')).toBe(runtimeId);
  },
);
