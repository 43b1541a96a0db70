import fastifyStatic from '@fastify/static';
import type { z } from 'zod';
import { describeRoute } from '../http/open-api.ts';
import { problems } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';
import { openPageBundle } from './page-bundle.ts';
import { pageSettings } from './schemas.ts';

export interface PageOptions {
  settings: z.infer<typeof pageSettings>;
  /** Folder of index.html and of the files that it loads from `/assets/`; by default the bundled page. */
  pageFolder?: string;
}

const getSettings = describeRoute('getPageSettings', 'Read the settings of the page', {
  tags: ['page'],
  response: { 200: pageSettings, ...problems() },
});

/** Serves the page at `/`, its files below `/assets/`, and its settings. All of it is public: nobody has a token yet. */
export async function addPage(app: HttpServer, { settings, pageFolder }: PageOptions): Promise<void> {
  const root = pageFolder ?? (await openPageBundle());
  await app.register(async (scope) => {
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: 'public', unlimited: true };
    });
    // Files keep their names from version to version, so browsers ask each time whether they changed.
    await scope.register(fastifyStatic, {
      root,
      prefix: '/assets/',
      index: false,
      dotfiles: 'ignore',
      maxAge: 0,
    });
    scope.get('/', { schema: { hide: true } }, (_, reply) => reply.sendFile('index.html'));
  });
  app.get('/page-settings', { config: { access: 'public' }, schema: getSettings }, async () => settings);
}
