import { startAuditConsumer } from '../../backends/admin/audit/consumer.ts';
import { startRefill } from '../../backends/admin/audit/refill.ts';
import { startRetention } from '../../backends/admin/audit/retention.ts';
import { openDeadLetters } from '../../backends/admin/dead-letters/dead-letters.ts';
import { createAdminServer } from '../../backends/admin/server.ts';
import { stopLimits } from '../../supervision/time-limits.ts';
import { within } from '../../supervision/within.ts';
import { serveHealth } from '../health.ts';
import { closeAll } from './close-all.ts';
import type { HttpService, ServiceOptions } from './service.ts';
import { httpOptionsOf, listen } from './http-server.ts';
import { openPool } from './open-pool.ts';
import { untilReady } from './until-ready.ts';

/** admin_backend serves agents, the audit log and dead letters over HTTP, and writes the audit log. */
export async function startAdminBackend({ configuration, logger, onFatal }: ServiceOptions): Promise<HttpService> {
  const { amqpUrl, auditRetentionDays: days, http } = configuration;
  const httpOptions = httpOptionsOf(http);
  const pool = openPool({ databaseUrl: configuration.databaseUrl, service: 'admin_backend', logger });

  const app = await createAdminServer({
    pool,
    deadLetters: openDeadLetters({ amqpUrl, pool }),
    logger,
    ...httpOptions,
  });
  const url = await listen(app, { host: http.host, port: http.adminBackendPort, setting: 'ADMIN_BACKEND_PORT' });

  const parts = [
    startAuditConsumer({ amqpUrl, pool, logger, onFatal }),
    startRefill({ pool, logger, onFatal }),
    ...(days === undefined ? [] : [startRetention({ pool, days, logger, onFatal })]),
  ];
  const health = await serveHealth({
    host: configuration.healthHost,
    port: configuration.adminBackendHealthPort,
    setting: 'ADMIN_BACKEND_HEALTH_PORT',
    parts,
  });
  return {
    url,
    healthPort: health.port,
    ready: () => untilReady(parts),
    stop: async () => {
      await Promise.all([within(stopLimits.partMs, app.close()), ...parts.map((part) => part.stop())]);
      await closeAll([pool.end(), health.close()]);
    },
  };
}
