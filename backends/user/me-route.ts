import type { Pool } from 'pg';
import { readUserLimit } from '../../database/limits/limits.ts';
import { identityOf } from '../http/access.ts';
import { describeRoute } from '../http/open-api.ts';
import { problems } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';
import { me } from './schemas.ts';

const getMe = describeRoute('getMe', 'Read who the caller is', {
  response: { 200: me.describe('The caller.'), ...problems() },
});

export function addMeRoute(app: HttpServer, pool: Pool): void {
  app.get('/v1/me', { schema: getMe }, async (request) => {
    const { userId, isAdmin, expiresAt } = identityOf(request);
    const limit = await readUserLimit(pool, userId);
    return {
      user_id: userId,
      is_admin: isAdmin,
      expires_at: expiresAt.toISOString(),
      instance_limit: limit ? { at_most: limit.atMost, present: limit.present } : null,
    };
  });
}
