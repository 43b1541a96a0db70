import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { BuildOfDeployment } from '../../contracts/names.ts';
import { announceBuild } from '../../database/deployments/builds.ts';
import type { FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { buildLimits } from './time-limits.ts';

export interface BuildAnnouncementOptions {
  pool: Pool;
  build: BuildOfDeployment;
  logger: Logger;
  onFatal: (error: FatalError) => void;
}

/** Tells the database, as long as this worker runs, that a worker of its build does: what may be deployed, and rolled back to. */
export function startBuildAnnouncement({ pool, build, logger, onFatal }: BuildAnnouncementOptions): Supervised {
  const run = async ({ signal, ready }: Session): Promise<void> => {
    while (!signal.aborted) {
      await announceBuild(pool, build, buildLimits.announcedSeconds);
      ready();
      await delay(buildLimits.announcementIntervalMs, undefined, { signal }).catch(() => undefined);
    }
  };
  return supervise({ name: 'build', logger, run, onFatal });
}
