import { spawn } from 'node:child_process';
import { afterEach, expect, test } from 'vitest';
import { readInstanceMarks } from '../../runtimes/process/process-table-linux.ts';
import { inspectByPs, listByPs } from '../../runtimes/process/process-table-ps.ts';
import { identify, isAlive, listProcesses } from '../../runtimes/process/process-table.ts';

const child = spawn('sleep', ['1000'], {
  detached: true,
  env: { ...process.env, INSTANCE_NAME: 'instance-of-a-test' },
});
afterEach(() => void child.kill('SIGKILL'));

test('ps, for systems without /proc, tells the same about a process', async () => {
  const pid = child.pid ?? Number.NaN;
  for (const list of [listProcesses, listByPs]) {
    const found = (await list()).find((entry) => entry.pid === pid);
    expect(found).toMatchObject({ group: pid, zombie: false, instanceName: 'instance-of-a-test' });
  }
  const listed = (await listByPs()).find((entry) => entry.pid === pid);
  expect(listed).toMatchObject({ ...inspectByPs(pid) });
  expect(inspectByPs(2 ** 22 + 1)).toBeUndefined();
});

test.skipIf(process.platform !== 'linux')(
  'a process that executes one program after the other shows its instance at any moment',
  async () => {
    const script = 'exec sh -c "$SCRIPT"';
    const env = { ...process.env, SCRIPT: script, INSTANCE_NAME: 'instance-that-executes' };
    const executing = spawn('sh', ['-c', script], { env });
    try {
      for (let reads = 0; reads < 2_000; reads += 1) {
        expect(await readInstanceMarks(executing.pid ?? Number.NaN)).toEqual({
          instanceName: 'instance-that-executes',
        });
      }
    } finally {
      executing.kill('SIGKILL');
    }
  },
);

test('a process is alive only under the time of its own start', () => {
  const self = identify(process.pid);
  expect(self && isAlive(self)).toBe(true);
  expect(isAlive({ pid: process.pid, startedAt: 'another time' })).toBe(false);
});
