import { mkdir } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { hasHeldSince, writeLeaseStamp, type HostLease } from '../../host-lease.ts';
import { createFence, leaseFileOf, secondsSinceLapse } from './end-overdue.ts';

/** How long a renewal waits for the end of overdue agents. Killed processes normally end within milliseconds. */
const endMs = 10_000;

/** The lease of the host whose agents are kept in a folder. */
export function createHostLease(directory: string, logger: Logger): HostLease {
  const file = leaseFileOf(directory);

  return {
    async renewed(renewal) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      // The watchdog may have been suspended together with this worker, and would take the renewal for one in time.
      if (secondsSinceLapse(directory) > 0) {
        const fence = createFence(directory, (message, details) => logger.warn(details, message));
        await fence.look();
        await Promise.race([fence.endOverdue(), setTimeout(endMs, undefined, { ref: false })]);
      }
      writeLeaseStamp(file, renewal);
    },

    hasHeldSince: (time) => hasHeldSince(file, time),
  };
}
