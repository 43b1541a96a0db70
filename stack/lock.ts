import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { isRunning, processReference } from './process-reference.ts';
import type { Progress } from './server.ts';
import { until } from './until.ts';

/** Holder of a stack folder: the process that runs the servers, and the process that asked for them. They stop when it ends. */
const lockHolder = z.object({ host: processReference, foreground: processReference });
export type LockHolder = z.infer<typeof lockHolder>;

/** Undefined when the folder is free. A lock that a crash left behind does not count. */
export function findHolder(directory: string): LockHolder | undefined {
  try {
    const holder = lockHolder.parse(JSON.parse(readFileSync(lockFileOf(directory), 'utf8')));
    return isRunning(holder.host) ? holder : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Takes the folder for this holder and returns the release. Waits for a host that is stopping because its foreground process
 * has ended; throws an error that names the process ids when the folder is in use.
 */
export async function acquireLock(
  directory: string,
  holder: LockHolder,
  { onProgress = () => {} }: { onProgress?: Progress } = {},
): Promise<() => void> {
  await untilFree(directory, onProgress);
  const file = lockFileOf(directory);
  const own = `${file}.${holder.host.pid}`;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(own, JSON.stringify(holder));
  try {
    if (findHolder(directory) === undefined) rmSync(file, { force: true });
    // Unlike a rename, a link fails when another process was faster, and the file that it names is never half-written.
    linkSync(own, file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw inUse(directory, findHolder(directory));
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
  return () => rmSync(file, { force: true });
}

/** Waits as `acquireLock` does, without taking the folder. */
export async function untilFree(directory: string, onProgress: Progress = () => {}): Promise<void> {
  let told = false;
  await until(() => {
    const holder = findHolder(directory);
    if (holder === undefined) return true;
    if (isRunning(holder.foreground)) throw inUse(directory, holder);
    if (!told) onProgress(`Waiting for the servers of an earlier run to stop (pid ${holder.host.pid}) …`);
    told = true;
    return false;
  });
}

function inUse(directory: string, holder: LockHolder | undefined): Error {
  const who = holder === undefined ? '' : ` (pid ${holder.foreground.pid}, its servers below pid ${holder.host.pid})`;
  return new Error(`The stack in ${directory} is already running${who}. Stop it first: Ctrl-C where it was started.`);
}

function lockFileOf(directory: string): string {
  return join(directory, 'lock.json');
}
