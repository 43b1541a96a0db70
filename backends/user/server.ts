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
  /** For retries alone. */
  temporal: Client;
  /** Of the engine, where it is known here. */
  taskQueue?: string | undefined;
  catalog: Catalog;
  live: LiveUpdates;
  page: PageOptions;
}

/** Instances over HTTP and WebSocket, for the users whose they are, and the page. It does not listen yet. */
export async function createUserServer(options: UserServerOptions): Promise<HttpServer> {
  const { pool, temporal, taskQueue, catalog, live, sources, page, ...http } = options;
  const app = await createHttpServer({
    ...http,
    title: 'user_backend',
    description: 'Create, watch and change instances. Users see their own, admins those of all.',
  });
  addMeRoute(app);
  addAgentRoutes(app, catalog);
  addInstanceRoutes(app, pool);
  addInstanceChanges(app, { pool, temporal, taskQueue });
  addTimelineRoute(app, { pool, sources });
  await addLiveRoute(app, live);
  await addPage(app, page);
  return app;
}
