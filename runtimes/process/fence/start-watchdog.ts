import { spawn } from 'node:child_process';
import { open, rename } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { RuntimeUnavailable } from '../../runtime.ts';
import { unlessMissing } from '../safe-files.ts';
import { waitUntil } from '../wait-until.ts';
import { hasWatchdog } from './announcement.ts';

const startMs = 20_000;
/** Two watchdogs that start together may both give way to the other. */
const attempts = 3;

const starting = new Map<string, Promise<void>>();

/**
 * Resolves once the folder has a watchdog, which outlives this process. The record of the agent that needs it is written before.
 * @throws RuntimeUnavailable when none can be started
 */
export async function ensureWatchdog(directory: string): Promise<void> {
  if (hasWatchdog(directory)) return;
  const start = starting.get(directory) ?? startWatchdog(directory).finally(() => starting.delete(directory));
  starting.set(directory, start);
  await start;
}

async function startWatchdog(directory: string): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const ended = await spawnWatchdog(directory);
    const { signal } = new AbortController();
    const deadlineMs = performance.now() + startMs;
    await waitUntil(() => hasWatchdog(directory) || ended(), { deadlineMs, signal, intervalMs: 20 });
    if (hasWatchdog(directory)) return;
  }
  throw new RuntimeUnavailable(
    'The process that ends agents when the lease of the host runs out cannot be started. The file .watchdog.log in ' +
      'RUNTIME_DIRECTORY of agents_worker says why.',
  );
}

/** @returns whether the process has ended */
async function spawnWatchdog(directory: string): Promise<() => boolean> {
  const logFile = join(directory, '.watchdog.log');
  await rename(logFile, join(directory, '.watchdog.previous.log')).catch(unlessMissing);
  const log = await open(logFile, 'a', 0o600);
  try {
    const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
    const program = fileURLToPath(new URL('watchdog.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', loader, program, directory], {
      cwd: '/',
      // The environment of the worker holds secrets. tsx keeps what it has compiled in the temporary folder.
      env: { TMPDIR: tmpdir() },
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    let ended = false;
    child.once('error', () => (ended = true)).once('exit', () => (ended = true));
    child.unref();
    return () => ended;
  } finally {
    await log.close();
  }
}
