import type { Pool } from 'pg';
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../http/server.ts';
import { addAgentRoutes } from './agents/routes.ts';
import { addVersionRoutes } from './agents/version-routes.ts';
import { addAuditRoutes } from './audit/routes.ts';
import type { DeadLetters } from './dead-letters/dead-letters.ts';
import { addDeadLetterRoutes } from './dead-letters/routes.ts';
import { addDeploymentRoutes } from './deployments/routes.ts';
import { addHostRoutes } from './hosts/routes.ts';
import { addLimitRoutes } from './limits/routes.ts';
import { addRolloutRoutes } from './rollouts/routes.ts';

export interface AdminServerOptions extends Pick<
  HttpServerOptions,
  'logger' | 'verifyToken' | 'allowedOrigins' | 'requestsPerMinute' | 'trustedProxies'
> {
  pool: Pool;
  deadLetters: DeadLetters;
}

/** Creates the HTTP interface for agents, rollouts, deployments, the audit log, dead letters, hosts and limits. The caller lets it listen. */
export async function createAdminServer({ pool, deadLetters, ...options }: AdminServerOptions): Promise<HttpServer> {
  const app = await createHttpServer({
    ...options,
    access: 'admin',
    title: 'admin_backend',
    description:
      'Publish and retire agents, roll versions out, deploy builds of agents_worker, search the audit log, resend dead letters, drain hosts and limit how many instances there are. Only admins may call these routes.',
  });
  addAgentRoutes(app, pool);
  addVersionRoutes(app, pool);
  addAuditRoutes(app, pool);
  addDeadLetterRoutes(app, deadLetters);
  addHostRoutes(app, pool);
  addLimitRoutes(app, pool);
  addRolloutRoutes(app, pool);
  addDeploymentRoutes(app, pool);
  return app;
}
