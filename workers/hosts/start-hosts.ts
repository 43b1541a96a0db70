import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { countStarting, type ServingWorker } from '../../database/hosts/leases.ts';
import type { Configuration } from '../../configuration/configuration.ts';
import { findMissingSetting, runtimeNames, type Runtimes } from '../../runtimes/registry.ts';
import type { FatalError } from '../../supervision/errors.ts';
import { within } from '../../supervision/within.ts';
import type { Part } from '../health.ts';
import { closeAll } from '../services/close-all.ts';
import { openPool } from '../services/open-pool.ts';
import { hostLimits } from '../services/time-limits.ts';
import { startFleetWatch, type FleetWatchOptions } from './fleet-watch.ts';
import { keepHostLease } from './host-lease.ts';
import { createServedHosts, type ServedHosts } from './served-hosts.ts';

export interface HostsOptions {
  configuration: Pick<Configuration, 'databaseUrl' | 'host' | 'runtimeVariables'>;
  runtimes: Runtimes;
  worker: ServingWorker;
  signalInstance: FleetWatchOptions['signalInstance'];
  logger: Logger;
  onFatal: (error: FatalError) => void;
}

export interface Hosts {
  parts: Part[];
  served: ServedHosts;
  /** Must be called before anything else stops: from then on nothing is placed here, and what was placed before is being started. */
  leave(): Promise<void>;
  stop(): Promise<void>;
}

/** Serves the host of each kind of runtime that is configured, and watches all hosts together with the other workers. */
export function startHosts({ configuration, runtimes, worker, signalInstance, logger, onFatal }: HostsOptions): Hosts {
  const pool = openPool({ databaseUrl: configuration.databaseUrl, service: 'agents_worker', logger, max: 3 });
  const served = createServedHosts();
  const kinds = runtimeNames.filter((kind) => findMissingSetting(kind, configuration.runtimeVariables) === undefined);
  const leases = kinds.map((kind) =>
    keepHostLease({
      pool,
      host: { kind, runtime: runtimes[kind] },
      settings: configuration.host,
      worker,
      onServed: served.add,
      logger,
      onFatal,
    }),
  );
  const watch = startFleetWatch({ pool, workerId: worker.id, signalInstance, logger, onFatal });
  return {
    parts: [...leases, watch],
    served,
    leave: async () => {
      await Promise.all([within(hostLimits.leaveMs, watch.stop()), ...leases.map((lease) => lease.leave())]);
      await within(hostLimits.startingMs, untilNothingStarts());
    },
    stop: async () => {
      await Promise.all([watch, ...leases].map((part) => part.stop()));
      await closeAll([pool.end()]);
    },
  };

  /** What was placed here a moment ago may not be on its way to this worker yet, and no other worker may be there for it. */
  async function untilNothingStarts(): Promise<void> {
    const ids = served.list().map(({ id }) => id);
    try {
      while ((await countStarting(pool, ids)) > 0) await delay(hostLimits.startingPollMs, undefined, { ref: false });
    } catch (error) {
      logger.warn({ err: error }, 'instances that are being started here may have to wait for the next worker');
    }
  }
}
