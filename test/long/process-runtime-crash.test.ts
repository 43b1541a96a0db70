import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isAlive } from '../../runtimes/process/process-table.ts';
import { RuntimeUnavailable } from '../../runtimes/runtime.ts';
import type { ProcessSpec } from '../../runtimes/process/spec.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import { holdFork, isUnexecuted } from '../support/held-fork.ts';
import { context, createAgentRig, processesOf, readyAndWait } from '../support/process-agents.ts';

let rig: Awaited<ReturnType<typeof createAgentRig>>;
let runtime: Runtime<ProcessSpec>;

beforeEach(async () => {
  rig = await createAgentRig();
  runtime = rig.openRuntime();
});
afterEach(() => rig.dispose());

const recordOf = async (instanceId: string) =>
  JSON.parse(await readFile(join(rig.folderOf(instanceId), 'start.json'), 'utf8'));
const replaceRecord = (instanceId: string, record: object) =>
  writeFile(join(rig.folderOf(instanceId), 'start.json'), JSON.stringify(record));

/** Kills a worker that starts, replaces and cleans up instances; resolves to what the next one makes of each. */
async function churnAndKill() {
  const requests = [rig.request(), rig.request({ ready: 'file', script: readyAndWait }), rig.request()];
  const worker = await rig.startWorker('churn', ...requests);
  await setTimeout(Math.random() * 150);
  await worker.kill();
  return Promise.all(
    requests.map(async (request) => {
      await runtime.provision({ ...request, generation: 4 }, context());
      const recorded: number = (await recordOf(request.instanceId)).process.pid;
      const running = await processesOf(request.instanceId);
      await runtime.cleanUp(request.instanceId, context());
      return { recorded, running, left: await processesOf(request.instanceId) };
    }),
  );
}

describe('after a kill -9 of the worker', () => {
  test('the agent goes on running and is found again', async () => {
    const request = rig.request();
    const worker = await rig.startWorker('provision', request);
    await vi.waitUntil(() => worker.lines.length === 2);
    const pids = await processesOf(request.instanceId);
    await worker.kill();
    expect(await runtime.provision(request, context())).toMatchObject({ runtimeId: worker.lines[1] });
    expect(await processesOf(request.instanceId)).toEqual(pids);
  });

  test('an agent of which only the intent was written down is found by its environment', async () => {
    const [kept, replaced, removed] = [rig.request(), rig.request(), rig.request()];
    const worker = await rig.startWorker('provision', kept, replaced, removed);
    await vi.waitUntil(() => worker.lines.length === 4);
    await worker.kill();
    const pids = await processesOf(kept.instanceId);
    for (const { instanceId } of [kept, replaced, removed]) {
      const { process: _, ...intent } = await recordOf(instanceId);
      await replaceRecord(instanceId, { ...intent, phase: 'starting' });
    }
    expect(await runtime.provision(kept, context())).toMatchObject({ runtimeId: worker.lines[1] });
    expect(await processesOf(kept.instanceId)).toEqual(pids);
    const { runtimeId } = await runtime.provision({ ...replaced, generation: 2 }, context());
    expect(runtimeId).not.toBe(worker.lines[2]);
    expect(await processesOf(replaced.instanceId)).toHaveLength(1);
    await runtime.cleanUp(removed.instanceId, context());
    expect(await processesOf(removed.instanceId)).toEqual([]);
  });

  test('while the agent was getting ready, the next worker goes on waiting for it', async () => {
    const request = rig.request({ ready: 'file', script: `echo start >> "$TRACE"; sleep 1; ${readyAndWait}` });
    const worker = await rig.startWorker('provision', request);
    await vi.waitUntil(async () => (await rig.readTrace().catch(() => '')) !== '', { interval: 10 });
    await worker.kill();
    await runtime.provision(request, context());
    expect(await rig.readTrace()).toBe('start\n');
  });

  describe.skipIf(process.platform !== 'linux')('between fork and exec of an agent', () => {
    /** Kills a worker and leaves a child of it that will become the agent once it is released. */
    async function holdAndKill() {
      // The search of a long PATH makes it likely that the child is found before it executes the program.
      const environment = { PATH: `${'x:'.repeat(18_000)}/usr/bin:/bin` };
      const requests = Array.from({ length: 3 }, () => rig.request({ environment }));
      const worker = await rig.startWorker('churn', ...requests);
      const fork = await holdFork(worker.pid);
      await worker.kill();
      const request = requests.find(({ instanceId }) => fork.instanceName === `instance-${instanceId}`);
      if (!request) throw new Error(`${fork.instanceName} is not of this test`);
      const { generation } = await recordOf(request.instanceId);
      return { request: { ...request, generation: generation as number }, fork };
    }
    /** Lets the call come to its end if it does not wait for the child, and then releases the child. */
    async function releaseDuring<T>(call: Promise<T>, fork: Awaited<ReturnType<typeof holdFork>>): Promise<T> {
      await setTimeout(1_000);
      fork.release();
      const result = await call;
      await vi.waitUntil(() => !isUnexecuted(fork.pid));
      return result;
    }

    test('the child becomes the agent, and is not started a second time', async () => {
      const { request, fork } = await holdAndKill();
      await releaseDuring(runtime.provision(request, context()), fork);
      expect(await processesOf(request.instanceId)).toEqual([fork.pid]);
      expect((await recordOf(request.instanceId)).process.pid).toBe(fork.pid);
    }, 60_000);

    test('the child of an older generation is replaced', async () => {
      const { request, fork } = await holdAndKill();
      await releaseDuring(runtime.provision({ ...request, generation: 4 }, context()), fork);
      const { process: agent } = await recordOf(request.instanceId);
      expect(agent.pid).not.toBe(fork.pid);
      expect(await processesOf(request.instanceId)).toEqual([agent.pid]);
    }, 60_000);

    test('the child of an instance that is removed does not outlive it', async () => {
      const { request, fork } = await holdAndKill();
      await releaseDuring(runtime.cleanUp(request.instanceId, context()), fork);
      expect(await processesOf(request.instanceId)).toEqual([]);
    }, 60_000);
  });

  test('at random moments of starts, replacements and clean-ups, nothing runs twice or is left over', async () => {
    for (let rounds = 0; rounds < 10; rounds += 1) {
      for (const { recorded, running, left } of (await Promise.all([churnAndKill(), churnAndKill()])).flat()) {
        expect(running).toEqual([recorded]);
        expect(left).toEqual([]);
      }
    }
  }, 240_000);

  test('what a living worker is at work on is left to it, and taken over once it is dead', async () => {
    const request = rig.request({ ready: 'file' });
    const worker = await rig.startWorker('provision', request);
    await vi.waitUntil(async () => (await processesOf(request.instanceId)).length === 1);
    await expect(runtime.provision(request, context())).rejects.toThrow(RuntimeUnavailable);
    await expect(runtime.cleanUp(request.instanceId, context())).rejects.toThrow(/Another worker \(pid \d+\)/);
    await worker.kill();
    await runtime.cleanUp(request.instanceId, context());
    expect(await processesOf(request.instanceId)).toEqual([]);
  });
});

test('a process that got the pid of an agent that is gone is not taken for it, nor ended', async () => {
  // Ready only after a while, so that the two do not start in the same tick of the system's clock.
  const stranger = rig.request({ ready: 'file', script: `sleep 0.1; ${readyAndWait}` });
  const request = rig.request();
  await runtime.provision(stranger, context());
  await runtime.provision(request, context());
  const { process: agent } = await recordOf(request.instanceId);
  process.kill(agent.pid, 'SIGKILL');
  await vi.waitUntil(() => !isAlive(agent));
  const [strangerPid] = await processesOf(stranger.instanceId);
  const record = await recordOf(request.instanceId);
  await replaceRecord(request.instanceId, { ...record, process: { ...agent, pid: strangerPid } });
  const { runtimeId } = await runtime.provision(request, context());
  expect(runtimeId).not.toBe(record.runtimeId);
  await replaceRecord(request.instanceId, { ...record, process: { ...agent, pid: strangerPid } });
  await runtime.cleanUp(request.instanceId, context());
  expect(await processesOf(request.instanceId)).toEqual([]);
  expect(await processesOf(stranger.instanceId)).toEqual([strangerPid]);
});

test('a record that cannot be read leads to a new start and not to a second process', async () => {
  const request = rig.request();
  const { runtimeId } = await runtime.provision(request, context());
  await writeFile(join(rig.folderOf(request.instanceId), 'start.json'), '{"runtimeId":');
  expect((await runtime.provision(request, context())).runtimeId).not.toBe(runtimeId);
  expect(await processesOf(request.instanceId)).toHaveLength(1);
});
