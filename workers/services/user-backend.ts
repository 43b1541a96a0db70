import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { ProblemError } from '../../backends/http/problem.ts';
import { createTokenVerifier } from '../../backends/http/tokens.ts';
import { createCatalog } from '../../backends/user/catalog.ts';
import { createUserServer } from '../../backends/user/server.ts';
import { startConsumer } from '../../bridge/consumer.ts';
import { queueNames } from '../../contracts/names.ts';
import { InvalidConfiguration } from '../configuration.ts';
import { serveHealth } from '../health.ts';
import { startCatalogLoader } from './catalog-loader.ts';
import type { HttpService, ServiceOptions } from './service.ts';
import { untilReady } from './until-ready.ts';

/** user_backend: instances over HTTP, for the users whose they are, and their page. */
export async function startUserBackend({ configuration, logger, onFatal }: ServiceOptions): Promise<HttpService> {
  const { amqpUrl, http, temporal } = configuration;
  if (!http.tokens) throw new InvalidConfiguration('JWT_JWKS_URL or JWT_SECRET is required: tokens are checked by it.');
  const pool = new pg.Pool({
    connectionString: configuration.databaseUrl,
    application_name: 'user_backend',
    connectionTimeoutMillis: 5_000,
    statement_timeout: 10_000,
    query_timeout: 12_000,
  });
  pool.on('error', (error) => logger.warn({ error: error.message }, 'an idle connection to PostgreSQL broke'));
  // As in agents_worker: it reconnects by itself, and who called meanwhile is told to try again.
  const connection = Connection.lazy({
    ...temporal.connection,
    interceptors: [],
    channelArgs: { 'grpc.max_reconnect_backoff_ms': 5_000 },
  });
  const catalog = createCatalog({ pool });

  const app = await createUserServer({
    logger,
    verifyToken: createTokenVerifier(http.tokens),
    allowedOrigins: http.allowedOrigins,
    requestsPerMinute: http.requestsPerMinute,
    trustedProxies: http.trustedProxies,
    connectTo: http.adminBackendUrl === undefined ? [] : [new URL(http.adminBackendUrl).origin],
    pool,
    temporal: new Client({ connection, namespace: temporal.namespace }),
    catalog,
    timeline: async () => {
      throw new ProblemError(503, 'timeline_unavailable', 'Timelines cannot be read here. See npx instances explain.');
    },
    page: {
      settings: {
        admin_backend_url: http.adminBackendUrl ?? null,
        temporal_ui_url: http.temporalUiUrl === undefined ? null : workflowsUrl(http.temporalUiUrl, temporal.namespace),
      },
    },
  });

  const url = await app.listen({ host: http.host, port: http.userBackendPort });
  const parts = [
    startCatalogLoader({ catalog, logger, onFatal }),
    startConsumer({
      name: 'user_backend.agent',
      amqpUrl,
      queue: queueNames.userBackendAgent,
      handle: (event) => catalog.apply(event),
      logger,
      onFatal,
    }),
  ];
  const health = await serveHealth({
    host: configuration.healthHost,
    port: configuration.userBackendHealthPort,
    parts,
  });
  return {
    url,
    healthPort: health.port,
    ready: () => untilReady(parts),
    stop: async () => {
      await app.close();
      await Promise.all(parts.map((part) => part.stop()));
      await Promise.all([pool.end(), connection.close(), health.close()]);
    },
  };
}

/** e.g. `http://127.0.0.1:8233/namespaces/default/workflows` */
function workflowsUrl(temporalUiUrl: string, namespace: string): string {
  return `${temporalUiUrl.replace(/\/+$/, '')}/namespaces/${encodeURIComponent(namespace)}/workflows`;
}
