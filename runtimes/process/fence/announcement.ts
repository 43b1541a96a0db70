import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { identify, isAlive } from '../process-table.ts';
import { replaceFile } from '../safe-files.ts';

const identitySchema = z.object({ pid: z.int(), startedAt: z.string() });

const fileOf = (directory: string): string => join(directory, '.watchdog');

/**
 * Says that this process is the watchdog of the folder. It withdraws that before it looks a last time for agents, and a worker
 * records an agent before it looks for the watchdog: so one of them sees the other.
 */
export const announceWatchdog = (directory: string): Promise<void> =>
  replaceFile(fileOf(directory), JSON.stringify(identify(process.pid)));

export const withdrawWatchdog = (directory: string): void => rmSync(fileOf(directory), { force: true });

/** Whether the folder has a watchdog that will see every agent that is recorded by now. */
export function hasWatchdog(directory: string): boolean {
  try {
    return isAlive(identitySchema.parse(JSON.parse(readFileSync(fileOf(directory), 'utf8'))));
  } catch {
    return false;
  }
}
