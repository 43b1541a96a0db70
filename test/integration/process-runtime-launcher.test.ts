import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { identify, isAlive } from '../../runtimes/process/process-table.ts';
import type { ProcessSpec } from '../../runtimes/process/spec.ts';
import { RuntimeUnavailable, type Runtime } from '../../runtimes/runtime.ts';
import { collectExits, context, createAgentRig, killAgent, processesOf } from '../support/process-agents.ts';

let rig: Awaited<ReturnType<typeof createAgentRig>>;
let runtime: Runtime<ProcessSpec>;

beforeEach(async () => {
  rig = await createAgentRig();
  runtime = rig.openRuntime();
});
afterEach(() => rig.dispose());

const parentOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
};

/** The launcher that started the only process of the instance. */
async function launcherOf(instanceId: string): Promise<number> {
  const [agent = Number.NaN] = await processesOf(instanceId);
  return parentOf(agent);
}

function launchersOf(worker: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return parentOf(pid) === worker && readFileSync(`/proc/${pid}/environ`, 'utf8').includes('AGENT_LAUNCHER=');
      } catch {
        return false;
      }
    });
}

/** Stops the launcher of a worker, so that it does not read what it is asked next. */
async function stopLauncherOf(worker: number): Promise<number> {
  const launcher = await vi.waitUntil(() => launchersOf(worker)[0]);
  process.kill(launcher, 'SIGSTOP');
  return launcher;
}

describe.skipIf(process.platform !== 'linux')('the launcher', () => {
  test('starts all agents of a worker, knows no secret of it, and ends with it', async () => {
    vi.stubEnv('DATABASE_URL', 'postgres://user:secret@localhost/db');
    const requests = [rig.request(), rig.request()];
    for (const request of requests) await runtime.provision(request, context()).finally(() => vi.unstubAllEnvs());
    const [one, other] = await Promise.all(requests.map(({ instanceId }) => launcherOf(instanceId)));
    expect(one).toBe(other);
    expect(parentOf(one ?? 0)).toBe(process.pid);
    expect(readFileSync(`/proc/${one}/environ`, 'utf8')).not.toContain('secret');
    const launcher = identify(one ?? 0);
    await runtime.close();
    await vi.waitUntil(() => launcher && !isAlive(launcher));
    for (const { instanceId } of requests) expect(await processesOf(instanceId)).toHaveLength(1);
  });

  test('that is killed takes no agent with it, their ends are reported all the same, and the next start has another', async () => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const [request, next] = [rig.request(), rig.request()];
    const { runtimeId } = await runtime.provision(request, context());
    const first = await launcherOf(request.instanceId);
    process.kill(first, 'SIGKILL');
    await vi.waitUntil(() => !isAlive({ pid: first, startedAt: identify(first)?.startedAt ?? '' }));
    expect(await processesOf(request.instanceId)).toHaveLength(1);
    await vi.waitUntil(async () => runtime.provision(next, context()).catch(() => undefined));
    expect(await launcherOf(next.instanceId)).not.toBe(first);
    await killAgent(request.instanceId);
    await vi.waitUntil(() => exits.length > 0);
    expect(exits).toMatchObject([
      { runtimeId, kind: 'exited', message: expect.stringContaining('the launcher of this one ended before it') },
    ]);
  });

  test('that is killed before it reads what it is asked is replaced at the next try', async () => {
    const first = rig.request();
    await runtime.provision(first, context());
    const launcher = await launcherOf(first.instanceId);
    process.kill(launcher, 'SIGSTOP');
    const request = rig.request();
    // It is asked in the moment in which the launcher is told to start the agent.
    const mayStart = vi.fn<() => boolean>(() => true);
    const failure = runtime.provision(request, { ...context(), mayStart }).catch((error: unknown) => error);
    await vi.waitUntil(() => mayStart.mock.calls.length > 0);
    process.kill(launcher, 'SIGKILL');
    expect(await failure).toBeInstanceOf(RuntimeUnavailable);
    await runtime.provision(request, context());
    expect(await processesOf(request.instanceId)).toHaveLength(1);
  });

  test('that is killed at random moments of starts leaves nothing that the next try does not find', async () => {
    const first = rig.request();
    await runtime.provision(first, context());
    for (let round = 0; round < 10; round += 1) {
      const requests = [rig.request(), rig.request(), rig.request()];
      const provisionings = Promise.allSettled(requests.map((request) => runtime.provision(request, context())));
      await setTimeout(Math.random() * 40);
      for (const launcher of launchersOf(process.pid)) process.kill(launcher, 'SIGKILL');
      await provisionings;
      for (const request of requests) {
        await runtime.provision(request, context());
        expect(await processesOf(request.instanceId)).toHaveLength(1);
        await runtime.cleanUp(request.instanceId, context());
        expect(await processesOf(request.instanceId)).toEqual([]);
      }
    }
    expect(await processesOf(first.instanceId)).toHaveLength(1);
  });

  test('whose worker was killed starts nothing that it reads afterwards', async () => {
    const [first, request] = [rig.request(), rig.request()];
    const worker = await rig.startWorker('provision', first, request);
    const stopped = await stopLauncherOf(worker.pid);
    const launcher = identify(stopped);
    await vi.waitUntil(() => rig.hasRecord(request.instanceId) || rig.hasRecord(first.instanceId));
    await worker.kill();
    process.kill(stopped, 'SIGCONT');
    await vi.waitUntil(() => launcher && !isAlive(launcher));
    for (const each of [first, request]) {
      await runtime.provision(each, context());
      expect(await processesOf(each.instanceId)).toHaveLength(1);
    }
  });
});
