import { startLiveUpdates } from '../../backends/live/live-updates.ts';
import { createCatalog } from '../../backends/user/catalog.ts';
import { createUserServer } from '../../backends/user/server.ts';
import { errorMessage } from '../../supervision/errors.ts';
import { stopLimits } from '../../supervision/time-limits.ts';
import { within } from '../../supervision/within.ts';
import { serveHealth } from '../health.ts';
import { startCatalogLoader } from './catalog-loader.ts';
import { closeAll } from './close-all.ts';
import type { HttpService, ServiceOptions } from './service.ts';
import { httpOptionsOf, listen } from './http-server.ts';
import { openPool } from './open-pool.ts';
import { openTemporal } from './open-temporal.ts';
import { untilReady } from './until-ready.ts';

/** Deadline for all calls to Temporal for one timeline. */
const timelineDeadlineMs = 10_000;

/** user_backend serves users their instances over HTTP, live updates over WebSocket, and the page. */
export async function startUserBackend({ configuration, logger, onFatal }: ServiceOptions): Promise<HttpService> {
  const { amqpUrl, http, temporal } = configuration;
  const httpOptions = httpOptionsOf(http);
  const pool = openPool({ databaseUrl: configuration.databaseUrl, service: 'user_backend', logger, max: 20 });
  const { client: temporalClient, connection } = openTemporal(temporal);
  const catalog = createCatalog({ pool });
  const warnOfCatalog = (error: unknown): void =>
    logger.warn({ error: errorMessage(error) }, 'the catalog of agents is not refreshed');
  const live = startLiveUpdates({
    amqpUrl,
    pool,
    logger,
    onFatal,
    // The next load of the catalog makes up for a failure here.
    onAgentEvent: (event) => void catalog.apply(event).catch(warnOfCatalog),
    onLoss: () => void catalog.reload().catch(warnOfCatalog),
  });

  const app = await createUserServer({
    logger,
    ...httpOptions,
    connectTo: http.adminBackendUrl === undefined ? [] : [new URL(http.adminBackendUrl).origin],
    pool,
    temporal: temporalClient,
    taskQueue: configuration.givenTaskQueue,
    catalog,
    live,
    sources: {
      database: (read) => read(pool),
      workflow: (read) => connection.withDeadline(Date.now() + timelineDeadlineMs, () => read(temporalClient)),
    },
    page: {
      settings: {
        admin_backend_url: http.adminBackendUrl ?? null,
        temporal_ui_url: http.temporalUiUrl === undefined ? null : workflowsUrl(http.temporalUiUrl, temporal.namespace),
      },
    },
  });

  const url = await listen(app, { host: http.host, port: http.userBackendPort, setting: 'USER_BACKEND_PORT' });
  const loader = startCatalogLoader({ catalog, logger, onFatal });
  const parts = [loader, ...live.parts];
  const health = await serveHealth({
    host: configuration.healthHost,
    port: configuration.userBackendHealthPort,
    setting: 'USER_BACKEND_HEALTH_PORT',
    parts,
  });
  return {
    url,
    healthPort: health.port,
    ready: () => untilReady(parts),
    stop: async () => {
      await live.close();
      await Promise.all([within(stopLimits.partMs, app.close()), loader.stop()]);
      await closeAll([pool.end(), connection.close(), health.close()]);
    },
  };
}

/** e.g. `http://127.0.0.1:8233/namespaces/default/workflows` */
function workflowsUrl(temporalUiUrl: string, namespace: string): string {
  return `${temporalUiUrl.replace(/\/+$/, '')}/namespaces/${encodeURIComponent(namespace)}/workflows`;
}
