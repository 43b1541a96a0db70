/**
 * The watchdog of a runtime folder, a process of its own: `watchdog.ts <folder>`. It ends the agents that another host may get, also
 * when every worker of the folder was killed or is stopped. It prints what it does, one JSON object a line.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { RuntimeUnavailable } from '../../runtime.ts';
import { exclusively } from '../exclusive.ts';
import { hasLivingWorker } from '../folder-workers.ts';
import { announceWatchdog, withdrawWatchdog } from './announcement.ts';
import { createFence, secondsSinceLapse, type Fence } from './end-overdue.ts';

const tickMs = 500;
/** While the lease holds, only every tenth tick looks for agents. */
const looksEvery = 10;

const [directory = ''] = process.argv.slice(2);
const said = new Set<string>();

/** Says the same only once, because each tick tries again. */
function log(message: string, details: Record<string, unknown> = {}): void {
  const text = JSON.stringify({ message, ...details });
  if (said.has(text)) return;
  said.add(text);
  console.log(JSON.stringify({ time: new Date().toISOString(), message, ...details }));
}

async function guard(): Promise<void> {
  const fence = createFence(directory, log);
  await announceWatchdog(directory);
  log('The watchdog watches the lease of the host.', { pid: process.pid });
  for (let tick = 0; existsSync(directory); tick += 1) {
    try {
      if (secondsSinceLapse(directory) > 0 || tick % looksEvery === 0) await fence.look();
      void fence.endOverdue();
      if (await isDispensable(fence)) {
        log('The watchdog ends, because no worker and no agent needs it.');
        return;
      }
    } catch (error) {
      log('The agents cannot be looked at; trying again.', { error: String(error) });
    }
    await setTimeout(tickMs);
  }
}

async function isDispensable(fence: Fence): Promise<boolean> {
  if (hasLivingWorker(directory) || fence.hasAgents(false)) return false;
  withdrawWatchdog(directory);
  await fence.look();
  if (!fence.hasAgents(hasLivingWorker(directory))) return true;
  await announceWatchdog(directory);
  return false;
}

try {
  await exclusively(join(directory, '.claims'), 'watchdog', guard);
} catch (error) {
  // The folder has a watchdog already, or was removed.
  if (!(error instanceof RuntimeUnavailable) && existsSync(directory)) throw error;
}
