import websocket from '@fastify/websocket';
import { z } from 'zod';
import { id } from '../../contracts/fields.ts';
import { identityOf } from '../http/access.ts';
import { ProblemError } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';
import type { LiveUpdates } from '../live/live-updates.ts';
import { flag } from './schemas.ts';

const liveSubprotocol = 'instances.v1';

/** What clients send is not read. */
const maxPayload = 1024;

const query = z.strictObject({
  after: id('Of the last event that was seen.').optional(),
  all: flag('The instances of all users.'),
});

/** `GET /v1/updates`, as in docs/live-updates.md. OpenAPI has no words for a WebSocket. */
export async function addLiveRoute(app: HttpServer, live: LiveUpdates): Promise<void> {
  await app.register(websocket, {
    options: {
      maxPayload,
      handleProtocols: (offered: Set<string>) => (offered.has(liveSubprotocol) ? liveSubprotocol : false),
    },
  });
  await app.register(async (scope: HttpServer) => {
    scope.get('/v1/updates', { websocket: true, schema: { hide: true, querystring: query } }, (socket, request) => {
      const { userId, isAdmin, expiresAt } = identityOf(request);
      const { after, all } = request.query;
      live.connect(socket, { userId, isAdmin, all, after, expiresAt });
    });
    scope.addHook('preValidation', async ({ ws }) => {
      if (!ws) throw new ProblemError(426, 'upgrade_required', 'This is a WebSocket: ask for an upgrade.');
    });
  });
}
