import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { createTokenVerifier } from '../../backends/http/tokens.ts';
import { startLiveUpdates } from '../../backends/live/live-updates.ts';
import { startAgentCatalog } from '../../backends/user/agent-catalog.ts';
import { createUserServer } from '../../backends/user/server.ts';
import { requestRetry } from '../../bridge/request-retry.ts';
import { InvalidConfiguration } from '../configuration.ts';
import { serveHealth } from '../health.ts';
import type { HttpService, ServiceOptions } from './service.ts';
import { untilReady } from './until-ready.ts';

/** For all calls of one request together. */
const temporalDeadlineMs = 10_000;

/** user_backend: instances over HTTP, their updates over WebSocket, and the page. */
export async function startUserBackend({ configuration, logger, onFatal }: ServiceOptions): Promise<HttpService> {
  const { amqpUrl, temporal, http } = configuration;
  if (!http.tokens) throw new InvalidConfiguration('JWT_JWKS_URL or JWT_SECRET is required: tokens are checked by it.');
  const pool = new pg.Pool({
    connectionString: configuration.databaseUrl,
    application_name: 'user_backend',
    max: 20,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 10_000,
    query_timeout: 12_000,
  });
  pool.on('error', (error) => logger.warn({ error: error.message }, 'an idle connection to PostgreSQL broke'));
  const connection = Connection.lazy({
    ...temporal.connection,
    // A call fails at once where Temporal is away, and says so to whoever asked.
    interceptors: [],
    channelArgs: { 'grpc.max_reconnect_backoff_ms': 5_000 },
  });
  const client = new Client({ connection, namespace: temporal.namespace });
  const withDeadline = <Result>(work: () => Promise<Result>): Promise<Result> =>
    connection.withDeadline(Date.now() + temporalDeadlineMs, work);

  const catalog = startAgentCatalog({ pool, logger, onFatal });
  const live = startLiveUpdates({ amqpUrl, pool, logger, onFatal, onAgentEvent: (event) => catalog.apply(event) });
  const app = await createUserServer({
    pool,
    logger,
    catalog,
    live,
    verifyToken: createTokenVerifier(http.tokens),
    allowedOrigins: http.allowedOrigins,
    requestsPerMinute: http.requestsPerMinute,
    trustedProxies: http.trustedProxies,
    requestRetry: (instanceId) => withDeadline(() => requestRetry(client, instanceId)),
    sources: {
      database: (read) => read(pool),
      workflow: (read) => withDeadline(() => read(client)),
    },
    adminBackendUrl: http.adminBackendUrl,
    workflowsUrl: http.temporalUiUrl && `${http.temporalUiUrl}/namespaces/${temporal.namespace}/workflows`,
  });
  const url = await app.listen({ host: http.host, port: http.userBackendPort });

  const parts = [catalog, ...live.parts];
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
      await live.close();
      await app.close();
      await catalog.stop();
      await Promise.all([pool.end(), connection.close(), health.close()]);
    },
  };
}
