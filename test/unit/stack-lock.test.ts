import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { acquireLock, findHolder } from '../../stack/lock.ts';
import { choosePorts } from '../../stack/ports.ts';
import {
  endProcess,
  endRecorded,
  isRunning,
  type ProcessReference,
  referenceProcess,
  writeReference,
} from '../../stack/process-reference.ts';

let directory = '';
const children: ChildProcess[] = [];

beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'stack-'))));
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

/** A process that runs until it is ended. */
async function runProcess(script = 'setInterval(() => {}, 1000)'): Promise<ProcessReference> {
  const child = spawn(process.execPath, ['-e', `${script}; console.log('up')`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  const reference = referenceProcess(child.pid ?? 0);
  if (reference === undefined) throw new Error('It ended at once.');
  return reference;
}

/** The same id, as if an earlier process had had it. */
const earlier = (reference: ProcessReference): ProcessReference => ({ ...reference, startedAt: 'earlier' });

describe('the lock of a stack folder', () => {
  test('is refused while its holder runs, with both process ids', async () => {
    const holder = { host: await runProcess(), foreground: await runProcess() };
    await acquireLock(directory, holder);
    const pids = new RegExp(`already running \\(pid ${holder.foreground.pid}.* ${holder.host.pid}\\)`);
    await expect(acquireLock(directory, { host: await runProcess(), foreground: await runProcess() })).rejects.toThrow(
      pids,
    );
  });

  test('left behind by a crash blocks nobody', async () => {
    const crashed = { host: await runProcess(), foreground: await runProcess() };
    await acquireLock(directory, crashed);
    await Promise.all([endProcess(crashed.host), endProcess(crashed.foreground)]);
    const next = { host: await runProcess(), foreground: await runProcess() };
    const release = await acquireLock(directory, next);
    expect(findHolder(directory)).toEqual(next);
    release();
    expect(findHolder(directory)).toBeUndefined();
  });

  test('is not held by another process that was given the same id', async () => {
    const running = await runProcess();
    await acquireLock(directory, { host: earlier(running), foreground: earlier(running) });
    expect(findHolder(directory)).toBeUndefined();
  });

  test('is waited for while the servers of a foreground process that has ended are stopping', async () => {
    const stopping = { host: await runProcess(), foreground: earlier(await runProcess()) };
    await acquireLock(directory, stopping);
    const next = { host: await runProcess(), foreground: await runProcess() };
    const lines: string[] = [];
    const acquired = acquireLock(directory, next, { onProgress: (line) => lines.push(line) });
    await expect.poll(() => lines).toEqual([expect.stringContaining(`pid ${stopping.host.pid}`)]);
    await endProcess(stopping.host);
    await acquired;
    expect(findHolder(directory)).toEqual(next);
  });
});

describe('a server that an earlier run left behind', () => {
  test('is ended, by SIGKILL when it does not end by itself', async () => {
    const deaf = await runProcess("process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)");
    await endProcess(deaf, { graceMs: 100 });
    expect(isRunning(deaf)).toBe(false);
  });

  test('is never mistaken for another process with the same id', async () => {
    const other = await runProcess();
    const file = join(directory, 'process.json');
    writeReference(file, earlier(other));
    await endRecorded(file);
    expect(isRunning(other)).toBe(true);
  });
});

describe('ports', () => {
  test('free ones are nine different ones', async () => {
    expect(new Set(Object.values(await choosePorts('free'))).size).toBe(9);
  });

  test('one that is taken is named, with what to set', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    try {
      await expect(choosePorts(port - 2)).rejects.toThrow(new RegExp(`${port}.*STACK_PORT_BASE.*${port - 2}`));
    } finally {
      server.close();
    }
  });
});
