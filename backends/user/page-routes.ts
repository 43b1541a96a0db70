import { fileURLToPath } from 'node:url';
import files from '@fastify/static';
import { z } from 'zod';
import { problems } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';

export interface PageRouteOptions {
  /** Undefined: the page has no part for admins. */
  adminBackendUrl: string | undefined;
  /** Where the Web UI lists the workflows of the namespace. */
  workflowsUrl: string | undefined;
}

const folder = fileURLToPath(new URL('./page', import.meta.url));
const isPublic = { access: 'public' } as const;

/** The page, its files, and what it has to know of its surroundings. */
export async function addPageRoutes(app: HttpServer, options: PageRouteOptions): Promise<void> {
  await app.register(async (scope: HttpServer) => {
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, ...isPublic };
      route.schema = { ...route.schema, hide: true };
    });
    await scope.register(files, { root: folder, prefix: '/assets/', cacheControl: true, maxAge: 0 });
    scope.get('/', (_, reply) => reply.sendFile('index.html'));
  });
  app.get(
    '/page-settings',
    {
      config: isPublic,
      schema: {
        operationId: 'readPageSettings',
        tags: ['page'],
        summary: 'What the page has to know before anybody signs in',
        response: {
          200: z.object({
            admin_backend_url: z.string().nullable(),
            temporal_ui_url: z.string().nullable().meta({ description: 'Where the Web UI lists workflows.' }),
          }),
          ...problems(),
        },
      },
    },
    () => ({
      admin_backend_url: options.adminBackendUrl ?? null,
      temporal_ui_url: options.workflowsUrl ?? null,
    }),
  );
}
