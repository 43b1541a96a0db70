import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { ServedHost } from '../../activities/host-steps.ts';
import {
  adoptInstances,
  leaveHost,
  renewHostLease,
  type RegisteredHost,
  type ServingWorker,
} from '../../database/hosts/leases.ts';
import { RuntimeUnavailable } from '../../runtimes/runtime.ts';
import { bootSeconds } from '../../runtimes/boot-clock.ts';
import { CannotWork, errorMessage, type FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { within } from '../../supervision/within.ts';
import { hostLimits } from '../services/time-limits.ts';

export interface HostLeaseOptions {
  pool: Pool;
  host: Omit<ServedHost, 'id'>;
  settings: Pick<RegisteredHost, 'name' | 'labels' | 'capacity' | 'leaseSeconds'>;
  worker: ServingWorker;
  /** Called once, when the tasks of the host have to be taken. */
  onServed: (host: ServedHost) => void;
  /** Whether this worker takes the tasks of the host, so that instances may be placed on it. */
  takesTasks: (hostId: string) => boolean;
  logger: Logger;
  onFatal: (error: FatalError) => void;
}

export interface HostLeaseKeeper extends Supervised {
  /** The lease goes on until the stop, but nothing is placed on the host any more on account of this worker. */
  leave(): Promise<void>;
}

/**
 * Registers the host that this worker serves, records what it kept before it was registered, and renews its lease. The lease goes on while
 * this worker does not reach Temporal, but nothing is placed on the host on account of it.
 */
export function keepHostLease({
  pool,
  host,
  settings,
  onServed,
  takesTasks,
  logger,
  ...options
}: HostLeaseOptions): HostLeaseKeeper {
  const { kind, runtime } = host;
  const name = runtime.hostName ?? settings.name;
  const intervalMs = (settings.leaseSeconds * 1000) / 3;
  let worker: ServingWorker | undefined = options.worker;
  let hostId: string | undefined;
  let isServed = false;
  let isEngineAway = false;
  let renewing: Promise<unknown> = Promise.resolve();

  const renew = async (id: string, isTaking: boolean): Promise<void> => {
    const registered = { id, runtime: kind, canFence: runtime.lease !== undefined, ...settings, name };
    const sentAt = bootSeconds();
    // An answer that comes too late is of no use, and the lease must not wait for it.
    const renewal = await within(intervalMs, renewHostLease(pool, registered, isTaking ? worker : undefined));
    switch (renewal) {
      case 'too late':
        throw new CannotWork(`PostgreSQL does not renew the lease of the host within ${Math.round(intervalMs)} ms.`);
      case 'forgotten':
        throw new CannotWork(
          `Somebody forgot the host ${name} (${id}). It comes back once all of its instances are placed elsewhere.`,
        );
      case 'adopt': {
        const adopted = await adoptInstances(pool, id, await listKept());
        if (adopted > 0) logger.info({ host: id, adopted }, 'the host holds instances that were placed nowhere');
        break;
      }
      case 'renewed':
        break;
    }
    await runtime.lease?.renewed({ sentAt, leaseSeconds: settings.leaseSeconds });
    if (isServed) return;
    isServed = true;
    onServed({ ...host, id });
  };

  const identify = async (): Promise<string> => {
    try {
      const id = await runtime.identify();
      if (id !== undefined) return id;
    } catch (error) {
      isEngineAway = error instanceof RuntimeUnavailable;
      const message = `The host for agents of the kind ${kind} cannot be identified: ${errorMessage(error)}`;
      throw new CannotWork(message, { cause: error });
    }
    throw new CannotWork(`No host for agents of the kind ${kind} is configured.`);
  };

  const listKept = async (): Promise<string[]> => {
    const kept = (await runtime.list()) ?? [];
    return kept.map(({ instanceId }) => instanceId);
  };

  const run = async ({ signal, ready }: Session): Promise<void> => {
    hostId ??= await identify();
    let isReady = false;
    while (!signal.aborted) {
      const isTaking = takesTasks(hostId);
      const renewal = renew(hostId, isTaking);
      renewing = renewal.catch(() => undefined);
      await renewal;
      if (isTaking && !isReady) ready();
      isReady ||= isTaking;
      const end = performance.now() + intervalMs;
      // Instances wait for a worker that begins to take tasks.
      while (!signal.aborted && performance.now() < end && takesTasks(hostId) === isTaking) {
        await delay(hostLimits.takingPollMs, undefined, { signal }).catch(() => undefined);
      }
    }
  };

  const supervised = supervise({
    name: `host_${kind}`,
    logger,
    run,
    onFatal: options.onFatal,
    stopMs: hostLimits.leaveMs,
    maxDelayMs: Math.min(5_000, intervalMs),
  });
  return {
    name: supervised.name,
    get health() {
      const { ready, ...others } = supervised.health;
      // An engine that does not answer concerns only the agents on it, and this worker has other work.
      return { ...others, ready: ready || (hostId === undefined && isEngineAway) };
    },
    leave: async () => {
      worker = undefined;
      if (hostId === undefined || !isServed) return;
      const id = hostId;
      try {
        // A renewal that is under way may still count this worker in.
        const left = renewing.then(() => leaveHost(pool, id, options.worker.id));
        await within(hostLimits.leaveMs, left);
      } catch (error) {
        logger.warn(
          { err: error, host: hostId },
          'the host is not left, and may be given instances until the lease ends',
        );
      }
    },
    stop: () => supervised.stop(),
  };
}
