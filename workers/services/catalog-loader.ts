import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Catalog } from '../../backends/user/catalog.ts';
import { type FatalError } from '../../supervision/errors.ts';
import { supervise, type Supervised } from '../../supervision/supervise.ts';

export interface CatalogLoaderOptions {
  catalog: Catalog;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  intervalMs?: number;
}

/** Loads the catalog now and every minute, which makes up for events that another replica consumed or that were lost. */
export function startCatalogLoader({
  catalog,
  logger,
  onFatal,
  intervalMs = 60_000,
}: CatalogLoaderOptions): Supervised {
  return supervise({
    name: 'agent_catalog',
    logger,
    onFatal,
    run: async ({ signal, ready }) => {
      await catalog.reload();
      ready();
      while (!signal.aborted) {
        await delay(intervalMs, undefined, { signal }).catch(() => undefined);
        if (!signal.aborted) await catalog.reload();
      }
    },
  });
}
