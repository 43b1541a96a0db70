import { pino } from 'pino';
import { createTokenVerifier } from '../../backends/http/tokens.ts';
import { startLiveUpdates } from '../../backends/live/live-updates.ts';
import { createCatalog } from '../../backends/user/catalog.ts';
import { createUserServer } from '../../backends/user/server.ts';
import type { HttpServer } from '../../backends/http/server.ts';
import type { Rig } from './rig.ts';
import { tokenSettings } from './tokens.ts';

export interface OwnUserServerOptions {
  pageFolder: string;
}

/** Makes the server of user_backend alone, which does not listen, with the dependencies that the service would give it. */
export async function createOwnUserServer(
  { pool, client, environment, fatal }: Rig,
  { pageFolder }: OwnUserServerOptions,
): Promise<HttpServer> {
  const catalog = createCatalog({ pool });
  await catalog.reload();
  const logger = pino({ level: 'silent' });
  const live = startLiveUpdates({
    amqpUrl: environment.AMQP_URL,
    pool,
    logger,
    onFatal: (error) => fatal.push(error),
  });
  const app = await createUserServer({
    logger,
    verifyToken: createTokenVerifier({
      key: { secret: tokenSettings.JWT_SECRET },
      issuer: undefined,
      audience: 'instance-engine',
    }),
    requestsPerMinute: 1_000_000,
    pool,
    temporal: client,
    catalog,
    live,
    sources: { database: (read) => read(pool), workflow: (read) => read(client) },
    page: { settings: { admin_backend_url: null, temporal_ui_url: null }, pageFolder },
  });
  app.addHook('preClose', () => live.close());
  return app;
}
