import fastifyStatic from '@fastify/static';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { problems } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';

const ownFolder = fileURLToPath(new URL('./page/', import.meta.url));

const pageSettings = z
  .object({
    admin_backend_url: z.string().nullable().meta({ description: 'Null: the page has no part for admins.' }),
    temporal_ui_url: z
      .string()
      .nullable()
      .meta({ description: 'Where the Web UI lists workflows; an encoded workflow id may follow. Null: no links.' }),
  })
  .meta({ id: 'PageSettings', description: 'What the page has to know of its surroundings.' });

export interface PageOptions {
  settings: z.infer<typeof pageSettings>;
  /** With index.html, which finds the other files below `/assets/`. */
  pageFolder?: string;
}

/** The page at `/`, its files below `/assets/`, and what it is told. All of it is public: whoever uses it has no token yet. */
export async function addPage(app: HttpServer, { settings, pageFolder = ownFolder }: PageOptions): Promise<void> {
  await app.register(async (scope) => {
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: 'public', unlimited: true };
    });
    // Files keep their names from version to version: browsers ask each time whether they changed.
    await scope.register(fastifyStatic, {
      root: pageFolder,
      prefix: '/assets/',
      index: false,
      dotfiles: 'ignore',
      maxAge: 0,
    });
    scope.get('/', { schema: { hide: true } }, (_, reply) => reply.sendFile('index.html'));
  });
  app.get(
    '/page-settings',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'getPageSettings',
        summary: 'What the page has to know of its surroundings',
        tags: ['page'],
        response: { 200: pageSettings, ...problems() },
      },
    },
    async () => settings,
  );
}
