import { spawn } from 'node:child_process';
import { afterEach, expect, test } from 'vitest';
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

test('a process is alive only under the time of its own start', () => {
  const self = identify(process.pid);
  expect(self && isAlive(self)).toBe(true);
  expect(isAlive({ pid: process.pid, startedAt: 'another time' })).toBe(false);
});
