import { readdirSync, statSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { RuntimeUnavailable } from '../runtime.ts';
import type { InstanceFolder } from './instance-folder.ts';
import { listStartsBySystemFiles, mayStart } from './process-table-linux.ts';

const onLinux = process.platform === 'linux';
const pollMs = 10;
/** A child executes its program within milliseconds, on a busy host within a second. */
const maxWaitMs = 30_000;
/** The time that a child gets on systems that do not show whether it has executed a program. */
const blindWaitMs = 100;

/**
 * Waits until no launcher of a killed worker is about to start the agent, and no child of it is between fork and exec. Such a child still
 * has the environment of the launcher, so the process table does not show which instance it belongs to; but both hold the agent's log
 * open. The caller makes sure that no living worker starts the agent.
 * @throws RuntimeUnavailable when that takes long
 */
export async function untilStartsAreOver({ name, logFile }: Pick<InstanceFolder, 'name' | 'logFile'>): Promise<void> {
  if (!onLinux) {
    await setTimeout(blindWaitMs);
    return;
  }
  const deadlineMs = performance.now() + maxWaitMs;
  for (const pid of listStartsBySystemFiles(name).filter((found) => holdsOpen(found, logFile))) {
    while (mayStart(pid, name) && holdsOpen(pid, logFile)) {
      if (performance.now() > deadlineMs) {
        throw new RuntimeUnavailable(
          `Process ${pid}, which an earlier worker left, has not executed the program of the agent yet. ` +
            'The call succeeds once it has, or has ended.',
        );
      }
      await setTimeout(pollMs);
    }
  }
}

function holdsOpen(pid: number, file: string): boolean {
  try {
    const { dev, ino } = statSync(file);
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
      const opened = statSync(`/proc/${pid}/fd/${descriptor}`, { throwIfNoEntry: false });
      return opened?.ino === ino && opened.dev === dev;
    });
  } catch {
    // The process or the log is gone, or the process already runs as the user of the agent, by which it is found.
    return false;
  }
}
