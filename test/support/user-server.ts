import { pino } from 'pino';
import { createTokenVerifier } from '../../backends/http/tokens.ts';
import { createCatalog } from '../../backends/user/catalog.ts';
import { createUserServer, type UserServerOptions } from '../../backends/user/server.ts';
import type { HttpServer } from '../../backends/http/server.ts';
import type { Rig } from './rig.ts';
import { tokenSettings } from './tokens.ts';

export interface OwnUserServerOptions {
  pageFolder: string;
  timeline?: UserServerOptions['timeline'];
}

/** The server of user_backend alone, not listening, with whatever the service would give it made for the test. */
export async function createOwnUserServer(
  { pool, client }: Rig,
  { pageFolder, timeline = async () => ({}) }: OwnUserServerOptions,
): Promise<HttpServer> {
  const catalog = createCatalog({ pool });
  await catalog.reload();
  return createUserServer({
    logger: pino({ level: 'silent' }),
    verifyToken: createTokenVerifier({
      key: { secret: tokenSettings.JWT_SECRET },
      issuer: undefined,
      audience: 'instance-engine',
    }),
    requestsPerMinute: 1_000_000,
    pool,
    temporal: client,
    catalog,
    timeline,
    page: { settings: { admin_backend_url: null, temporal_ui_url: null }, pageFolder },
  });
}
