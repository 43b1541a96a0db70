import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../http/server.ts';
import type { LiveUpdates } from '../live/live-updates.ts';
import { addAgentRoutes } from './agent-routes.ts';
import type { Catalog } from './catalog.ts';
import { addInstanceChanges } from './instance-changes.ts';
import { addInstanceRoutes } from './instance-routes.ts';
import { addLiveRoute } from './live-route.ts';
import { addMeRoute } from './me-route.ts';
import { addPage, type PageOptions } from './page.ts';
import { addTimelineRoute, type TimelineOptions } from './timeline-route.ts';

export interface UserServerOptions extends Omit<HttpServerOptions, 'title' | 'description'>, TimelineOptions {
  pool: Pool;
  /** Needed for retries only. */
  temporal: Client;
  /** Task queue of the engine, if this process knows it. */
  taskQueue?: string | undefined;
  catalog: Catalog;
  live: LiveUpdates;
  page: PageOptions;
}

/** Creates the HTTP and WebSocket interface for users, and their page. The caller lets it listen. */
export async function createUserServer(options: UserServerOptions): Promise<HttpServer> {
  const { pool, temporal, taskQueue, catalog, live, sources, page, ...http } = options;
  const app = await createHttpServer({
    ...http,
    title: 'user_backend',
    description: 'Create, watch and change instances. Users see their own instances, admins those of all users.',
  });
  addMeRoute(app, pool);
  addAgentRoutes(app, catalog);
  addInstanceRoutes(app, pool);
  addInstanceChanges(app, { pool, temporal, taskQueue });
  addTimelineRoute(app, { pool, sources });
  await addLiveRoute(app, live);
  await addPage(app, page);
  return app;
}
