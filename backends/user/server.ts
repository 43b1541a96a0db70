import { z } from 'zod';
import { id, timestamp } from '../../contracts/fields.ts';
import { identityOf } from '../http/access.ts';
import { problems } from '../http/problem.ts';
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../http/server.ts';
import type { LiveUpdates } from '../live/live-updates.ts';
import { addActionRoutes, type ActionRouteOptions } from './action-routes.ts';
import type { AgentCatalog } from './agent-catalog.ts';
import { addAgentRoutes } from './agent-routes.ts';
import { addInstanceRoutes } from './instance-routes.ts';
import { addLiveRoute } from './live-route.ts';
import { addPageRoutes, type PageRouteOptions } from './page-routes.ts';
import { addTimelineRoute, type TimelineRouteOptions } from './timeline-route.ts';

export interface UserServerOptions
  extends
    Omit<HttpServerOptions, 'title' | 'description' | 'connectTo'>,
    ActionRouteOptions,
    TimelineRouteOptions,
    PageRouteOptions {
  catalog: AgentCatalog;
  live: LiveUpdates;
}

/** user_backend over HTTP and WebSocket. */
export async function createUserServer(options: UserServerOptions): Promise<HttpServer> {
  const { pool, catalog, live, adminBackendUrl } = options;
  const app = await createHttpServer({
    ...options,
    title: 'user_backend',
    description: 'Instances of agents: create, watch, change and delete them.',
    connectTo: adminBackendUrl === undefined ? [] : [new URL(adminBackendUrl).origin],
  });
  app.get(
    '/v1/me',
    {
      schema: {
        operationId: 'readMe',
        tags: ['me'],
        summary: 'Whose the token is',
        response: {
          200: z.object({
            user_id: id('The user.'),
            is_admin: z.boolean(),
            expires_at: timestamp('When the token does.'),
          }),
          ...problems(),
        },
      },
    },
    (request) => {
      const { userId, isAdmin, expiresAt } = identityOf(request);
      return { user_id: userId, is_admin: isAdmin, expires_at: expiresAt.toISOString() };
    },
  );
  addAgentRoutes(app, catalog);
  addInstanceRoutes(app, pool);
  addActionRoutes(app, options);
  addTimelineRoute(app, options);
  await addLiveRoute(app, live);
  await addPageRoutes(app, options);
  return app;
}
