import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { countStarting, type ServingWorker } from '../../database/hosts/leases.ts';
import type { Configuration } from '../../configuration/configuration.ts';
import { findMissingSetting, runtimeNames, type Runtimes } from '../../runtimes/registry.ts';
import type { FatalError } from '../../supervision/errors.ts';
import { within } from '../../supervision/within.ts';
import type { Part } from '../health.ts';
import { hostLimits } from '../services/time-limits.ts';
import type { EngineReadings } from './engine-readings.ts';
import { startFleetWatch, type FleetWatchOptions } from './fleet-watch.ts';
import { keepHostLease } from './host-lease.ts';
import { createServedHosts, type ServedHosts } from './served-hosts.ts';

export interface HostsOptions {
  /** Connections of its own, or queries that wait for others could cost the leases. */
  pool: Pool;
  configuration: Pick<Configuration, 'host' | 'runtimeVariables'>;
  runtimes: Runtimes;
  worker: ServingWorker;
  reachesTemporal: () => boolean;
  signalInstance: FleetWatchOptions['signalInstance'];
  readings: EngineReadings;
  logger: Logger;
  onFatal: (error: FatalError) => void;
}

export interface Hosts {
  parts: Part[];
  served: ServedHosts;
  /** Must be called before anything else stops: from then on nothing is placed here. */
  leave(): Promise<void>;
  /** Resolves once everything that was placed here before is being started, or after a limit. */
  untilNothingStarts(): Promise<void>;
  stop(): Promise<void>;
}

/** Serves the host of each kind of runtime that is configured, and watches all hosts together with the other workers. */
export function startHosts({
  pool,
  configuration,
  runtimes,
  worker,
  reachesTemporal,
  signalInstance,
  readings,
  logger,
  onFatal,
}: HostsOptions): Hosts {
  const served = createServedHosts();
  const kinds = runtimeNames.filter((kind) => findMissingSetting(kind, configuration.runtimeVariables) === undefined);
  const leases = kinds.map((kind) =>
    keepHostLease({
      pool,
      host: { kind, runtime: runtimes[kind] },
      settings: configuration.host,
      worker,
      onServed: served.add,
      takesTasks: (id) => served.isAtWork(id) && reachesTemporal(),
      logger,
      onFatal,
    }),
  );
  const watch = startFleetWatch({ pool, workerId: worker.id, signalInstance, readings, logger, onFatal });
  return {
    parts: [...leases, watch],
    served,
    leave: async () => {
      await Promise.all([watch.stop(), ...leases.map((lease) => lease.leave())]);
    },
    untilNothingStarts: async () => void (await within(hostLimits.startingMs, untilNothingStarts())),
    stop: async () => {
      await Promise.all([watch, ...leases].map((part) => part.stop()));
    },
  };

  /** What was placed here a moment ago may not be on its way to this worker yet, and no other worker may be there for it. */
  async function untilNothingStarts(): Promise<void> {
    const ids = served.list().map(({ id }) => id);
    const end = Date.now() + hostLimits.startingMs;
    try {
      while (Date.now() < end && (await countStarting(pool, ids)) > 0)
        await delay(hostLimits.startingPollMs, undefined, { ref: false });
    } catch (error) {
      logger.warn({ err: error }, 'instances that are being started here may have to wait for the next worker');
    }
  }
}
