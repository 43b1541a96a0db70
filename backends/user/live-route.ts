import websocket from '@fastify/websocket';
import { z } from 'zod';
import { id } from '../../contracts/fields.ts';
import { identityOf } from '../http/access.ts';
import { ProblemError } from '../http/problem.ts';
import { flag } from '../http/query.ts';
import type { HttpServer } from '../http/server.ts';
import type { LiveUpdates } from '../live/live-updates.ts';

const liveSubprotocol = 'instances.v1';

/** Messages of clients are not read. */
const maxPayload = 1024;

const query = z.strictObject({
  after: id('Id of the last event that the client received.').optional(),
  all: flag('Receive the events of all users. Only admins may.'),
});

/** `GET /v1/updates`, documented in docs/live-updates.md because OpenAPI cannot describe a WebSocket. */
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
      if (!ws) throw new ProblemError(426, 'upgrade_required', 'This is a WebSocket. Request an upgrade.');
    });
  });
}
