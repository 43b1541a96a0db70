import type { Pool } from 'pg';
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../http/server.ts';
import { addAgentRoutes } from './agents/routes.ts';
import { addAuditRoutes } from './audit/routes.ts';

export interface AdminServerOptions extends Pick<
  HttpServerOptions,
  'logger' | 'verifyToken' | 'allowedOrigins' | 'requestsPerMinute' | 'trustedProxies'
> {
  pool: Pool;
}

/** Agents and the audit log over HTTP, for admins alone. It does not listen yet. */
export async function createAdminServer({ pool, ...options }: AdminServerOptions): Promise<HttpServer> {
  const app = await createHttpServer({
    ...options,
    title: 'admin_backend',
    description: 'Publish and retire agents and search the audit log. Every route is for admins.',
  });
  addAgentRoutes(app, pool);
  addAuditRoutes(app, pool);
  return app;
}
