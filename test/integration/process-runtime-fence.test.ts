import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, vi } from 'vitest';
import { bootSeconds } from '../../runtimes/boot-clock.ts';
import { readLeaseStamp } from '../../runtimes/host-lease.ts';
import { createFence } from '../../runtimes/process/fence/end-overdue.ts';
import { instanceFolder } from '../../runtimes/process/instance-folder.ts';
import { listProcesses } from '../../runtimes/process/process-table.ts';
import { context, processesOf, type AgentRig } from '../support/process-agents.ts';
import { readReports, workerTest, type ServingWorker } from '../support/serving-workers.ts';

const leaseSeconds = 3;
/** The least that an agent can be published with. */
const replaceAfterSeconds = 10;
/** From the last renewal to the end of the agents. */
const fenceSeconds = leaseSeconds + replaceAfterSeconds / 2;

const fencedRequest = (rig: AgentRig, script?: string) => ({
  ...rig.request(script === undefined ? {} : { script }),
  replaceAfterSeconds,
});

/** Starts an agent as an activity does, which is tried again when a busy machine lets the lease lapse during the start. */
async function provision(worker: ServingWorker, request: ReturnType<typeof fencedRequest>): Promise<string> {
  const { result } = await vi.waitUntil(async () => {
    const answer = await worker.ask({ provision: request });
    expect(answer.error ?? '').toMatch(/^$|The lease of the host ran out/);
    return answer.result && answer;
  });
  return result?.runtimeId ?? '';
}

const ofLease = ({ directory }: AgentRig) => readLeaseStamp(join(directory, '.lease'));

const untilEnded = (instanceId: string) =>
  vi.waitUntil(async () => (await processesOf(instanceId)).length === 0, { timeout: 30_000, interval: 50 });

/** Resolves when the fence would have acted, had the lease not been renewed since. */
async function pastTheFence(): Promise<void> {
  await setTimeout((fenceSeconds + 1) * 1000);
}

function watchdogsOf({ directory }: AgentRig): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.filter((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return command.includes(directory) && command.some((argument) => argument.endsWith('/watchdog.ts'));
    } catch {
      return false;
    }
  });
}

/** Processes of the instances. */
async function runningOf(requests: { instanceId: string }[]): Promise<number[]> {
  const names = new Set(requests.map(({ instanceId }) => `instance-${instanceId}`));
  const all = await listProcesses();
  return all.filter(({ instanceName = '' }) => names.has(instanceName)).map(({ pid }) => pid);
}

const untilWithoutWatchdog = (rig: AgentRig) =>
  vi.waitUntil(() => watchdogsOf(rig).length === 0, { timeout: 30_000, interval: 50 });

describe.skipIf(process.platform !== 'linux')('the fence', () => {
  workerTest.concurrent(
    'ends the agents of a killed worker at their time, and then itself',
    async ({ rig, startWorker }) => {
      const worker = await startWorker('first');
      await worker.ask({ keepLeaseOf: leaseSeconds });
      const whole = fencedRequest(rig, 'setsid sleep 1000 & trap "" TERM; while :; do sleep 1; done');
      const waiting = rig.request();
      const runtimeId = await provision(worker, whole);
      await worker.provision(waiting);
      await pastTheFence();
      expect(await processesOf(whole.instanceId)).not.toEqual([]);
      await worker.kill();
      const { sentAt } = ofLease(rig) ?? { sentAt: Number.NaN };
      await untilEnded(whole.instanceId);
      expect(bootSeconds() - sentAt).toBeGreaterThanOrEqual(fenceSeconds);
      expect(bootSeconds() - sentAt).toBeLessThan(leaseSeconds + replaceAfterSeconds);
      await untilWithoutWatchdog(rig);
      expect(await processesOf(waiting.instanceId)).toHaveLength(1);

      await startWorker('second');
      await vi.waitUntil(async () => (await readReports(rig.directory)).length > 0);
      expect(await readReports(rig.directory)).toEqual([
        {
          by: 'second',
          instanceId: whole.instanceId,
          runtimeId,
          kind: 'lost',
          message: expect.stringMatching(/^The host ended the agent, because it could not renew its lease in time\./),
        },
      ]);
    },
  );

  workerTest.concurrent(
    'leaves agents alone while another worker of the folder renews the lease',
    async ({ rig, startWorker }) => {
      const [left, right] = await Promise.all([startWorker('left'), startWorker('right')]);
      await left.ask({ keepLeaseOf: leaseSeconds });
      const request = fencedRequest(rig);
      await provision(left, request);
      await right.ask({ keepLeaseOf: leaseSeconds });
      await left.kill();
      await pastTheFence();
      expect(await processesOf(request.instanceId)).toHaveLength(1);
      await right.ask({ dropLease: true });
      await untilEnded(request.instanceId);
    },
  );

  workerTest.concurrent(
    'ends the agents of a paused worker, which then starts nothing that it had begun',
    async ({ rig, startWorker }) => {
      const worker = await startWorker('paused');
      await worker.ask({ keepLeaseOf: leaseSeconds });
      const running = fencedRequest(rig);
      await provision(worker, running);
      const begun = fencedRequest(rig, 'echo started >> "$TRACE"; exec sleep 1000');
      const { answer } = await worker.begin({ provision: begun, pausesAtStart: true });
      await untilEnded(running.instanceId);
      worker.signal('SIGCONT');
      expect((await answer()).error).toMatch(/RuntimeUnavailable: The lease of the host ran out during the start/);
      await expect(rig.readTrace()).rejects.toThrow('ENOENT');
      await vi.waitUntil(async () => (await worker.ask({ provision: begun })).error === undefined);
      expect(await processesOf(begun.instanceId)).toHaveLength(1);
    },
  );

  workerTest.concurrent(
    'lets a start be tried again whose agent it ends before it is ready',
    async ({ rig, startWorker }) => {
      const worker = await startWorker('first');
      await worker.ask({ keepLeaseOf: leaseSeconds });
      const request = { ...rig.request({ ready: 'file', ready_timeout_seconds: 300 }), replaceAfterSeconds };
      const { answer } = await worker.begin({ provision: request, saysStarting: true });
      const answered = answer();
      const hasBegun = vi.waitUntil(async () => (await processesOf(request.instanceId)).length > 0);
      await Promise.race([hasBegun, answered]);
      await worker.ask({ dropLease: true });
      expect((await answered).error).toMatch(/RuntimeUnavailable: The lease of the host ran out during the start/);
    },
  );

  workerTest.concurrent('notes that it ended a start of which no process is known yet', async ({ rig }) => {
    const { instanceId } = rig.request();
    const folder = instanceFolder(rig.directory, `instance-${instanceId}`);
    await folder.prepare({ config: {}, secrets: [], uid: undefined });
    const runtimeId = randomUUID();
    await folder.writeRecord({ runtimeId, generation: 1, stopGraceSeconds: 1, phase: 'starting', replaceAfterSeconds });
    // No worker has renewed a lease of the folder.
    const fence = createFence(rig.directory, () => undefined);
    await fence.look();
    await fence.endOverdue();
    expect(await folder.readFenced()).toBe(runtimeId);
  });

  workerTest.concurrent(
    'a start that began before the lease ran out is refused, also when another worker has renewed it',
    async ({ rig, startWorker }) => {
      const [left, right] = await Promise.all([startWorker('left'), startWorker('right')]);
      await left.ask({ keepLeaseOf: leaseSeconds });
      const { answer } = await left.begin({ provision: fencedRequest(rig), pausesAtStart: true });
      const lapse = ofLease(rig);
      await vi.waitUntil(() => bootSeconds() > (lapse?.sentAt ?? 0) + leaseSeconds);
      await right.ask({ keepLeaseOf: leaseSeconds });
      left.signal('SIGCONT');
      expect((await answer()).error).toMatch(/The lease of the host ran out during the start/);
    },
  );

  workerTest.concurrent('a start goes on while another worker has kept the lease', async ({ rig, startWorker }) => {
    const [left, right] = await Promise.all([startWorker('left'), startWorker('right')]);
    await Promise.all([left, right].map((worker) => worker.ask({ keepLeaseOf: leaseSeconds })));
    // On a busy machine the other worker may be late as well. Then the lease was not kept, and the try says nothing.
    await vi.waitUntil(
      async () => {
        const request = fencedRequest(rig);
        const { heldSince = Infinity } = ofLease(rig) ?? {};
        // A start in the same tick of the clock may have been before the lease.
        await vi.waitUntil(() => bootSeconds() > heldSince);
        const { answer } = await left.begin({ provision: request, pausesAtStart: true });
        await pastTheFence();
        left.signal('SIGCONT');
        const { error } = await answer();
        // The next renewal tells whether the lease was over before it.
        const answeredAt = bootSeconds();
        await vi.waitUntil(() => (ofLease(rig)?.sentAt ?? 0) > answeredAt);
        if (ofLease(rig)?.heldSince !== heldSince) return false;
        expect(error).toBeUndefined();
        expect(await processesOf(request.instanceId)).toHaveLength(1);
        return true;
      },
      { timeout: 80_000, interval: 100 },
    );
  });

  workerTest.concurrent(
    'ends an agent whose worker was killed before it recorded the process',
    async ({ rig, startWorker }) => {
      const worker = await startWorker('killed');
      await worker.ask({ keepLeaseOf: leaseSeconds });
      const request = fencedRequest(rig);
      await provision(worker, request);
      const file = join(rig.folderOf(request.instanceId), 'start.json');
      const { process: _, ...intent } = JSON.parse(await readFile(file, 'utf8'));
      await worker.kill();
      await writeFile(file, JSON.stringify({ ...intent, phase: 'starting' }));
      await untilEnded(request.instanceId);
      await untilWithoutWatchdog(rig);
    },
  );

  workerTest.concurrent(
    'leaves nothing of starts in the middle of which the worker was killed',
    async ({ rig, startWorker }) => {
      const worker = await startWorker('killed');
      await worker.ask({ keepLeaseOf: leaseSeconds });
      await provision(worker, fencedRequest(rig));
      const begun = Array.from({ length: 40 }, () => fencedRequest(rig));
      for (const request of begun) worker.send({ provision: request });
      await vi.waitUntil(async () => (await runningOf(begun)).length > 0, { interval: 5 });
      await worker.kill();
      await vi.waitUntil(async () => (await runningOf(begun)).length === 0, { timeout: 30_000, interval: 200 });
      await untilWithoutWatchdog(rig);
      expect(await runningOf(begun)).toEqual([]);
    },
  );

  workerTest.concurrent('ends an agent that appears while the lease is over', async ({ rig, startWorker }) => {
    const worker = await startWorker('late');
    await worker.ask({ keepLeaseOf: leaseSeconds });
    await provision(worker, fencedRequest(rig));
    await worker.ask({ dropLease: true });
    await pastTheFence();
    const late = fencedRequest(rig);
    await rig.openRuntime().provision(late, context());
    await untilEnded(late.instanceId);
  });

  workerTest.concurrent(
    'ends agents before the lease is renewed when it was suspended together with the worker',
    async ({ rig, startWorker }) => {
      const worker = await startWorker('suspended');
      await worker.ask({ keepLeaseOf: leaseSeconds });
      const request = fencedRequest(rig);
      await provision(worker, request);
      const [watchdog = Number.NaN] = watchdogsOf(rig);
      worker.signal('SIGSTOP');
      process.kill(watchdog, 'SIGSTOP');
      try {
        await pastTheFence();
        expect(await processesOf(request.instanceId)).toHaveLength(1);
        worker.signal('SIGCONT');
        await worker.ask({ keepLeaseOf: leaseSeconds });
        expect(await processesOf(request.instanceId)).toEqual([]);
      } finally {
        process.kill(watchdog, 'SIGCONT');
      }
    },
  );

  workerTest.concurrent(
    'has one watchdog for each folder, which is replaced when it is killed',
    async ({ rig, startWorker }) => {
      const [left, right] = await Promise.all([startWorker('left'), startWorker('right')]);
      await Promise.all([left, right].map((worker) => worker.ask({ keepLeaseOf: leaseSeconds })));
      await Promise.all([left, right, left, right].map((worker) => provision(worker, fencedRequest(rig))));
      const [watchdog = Number.NaN] = await vi.waitUntil(() => {
        const pids = watchdogsOf(rig);
        return pids.length === 1 && pids;
      });
      process.kill(watchdog, 'SIGKILL');
      await vi.waitUntil(() => watchdogsOf(rig).some((pid) => pid !== watchdog), { timeout: 20_000 });
    },
  );

  workerTest.concurrent(
    'shares neither the environment nor a pipe or socket with the worker',
    async ({ rig, startWorker }) => {
      const worker = await startWorker('secretive');
      await worker.ask({ keepLeaseOf: leaseSeconds });
      await provision(worker, fencedRequest(rig));
      const [watchdog = Number.NaN] = watchdogsOf(rig);
      expect(readFileSync(`/proc/${worker.pid}/environ`, 'utf8')).toContain('WORKER_SECRET');
      expect(readFileSync(`/proc/${watchdog}/environ`, 'utf8').split('\0').filter(Boolean)).toEqual([
        expect.stringMatching(/^TMPDIR=/),
      ]);
      const opened = (pid: number) =>
        readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
          try {
            return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
          } catch {
            return [];
          }
        });
      const ofWorker = new Set(opened(worker.pid).filter((name) => /^(pipe|socket):/.test(name)));
      expect(ofWorker.size).toBeGreaterThan(0);
      const inherited = new Set(opened(process.pid));
      expect(opened(watchdog).filter((name) => ofWorker.has(name) && !inherited.has(name))).toEqual([]);
    },
  );
});
