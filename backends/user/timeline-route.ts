import type { Pool } from 'pg';
import { z } from 'zod';
import { explainInstance } from '../../explain/explain-instance.ts';
import { explanation } from '../../explain/explanation.ts';
import type { Sources } from '../../explain/gather.ts';
import { identityOf } from '../http/access.ts';
import { notFound, ProblemError, problems } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';
import { instancePath } from './instance-schemas.ts';
import { findOwner } from './instance-store.ts';

export interface TimelineRouteOptions {
  pool: Pool;
  sources: Sources;
}

export function addTimelineRoute(app: HttpServer, { pool, sources }: TimelineRouteOptions): void {
  app.get(
    '/v1/instances/:id/timeline',
    {
      schema: {
        operationId: 'explainInstance',
        tags: ['instances'],
        summary: 'What happened to an instance, and how it stands',
        description: 'As `npx instances explain --json`, of deleted instances as well.',
        params: instancePath,
        querystring: z.object({
          last: z.coerce.number().int().min(1).max(1000).default(200).meta({ description: 'Only the latest lines.' }),
        }),
        response: { 200: explanation.meta({ id: 'Explanation' }), ...problems(404) },
      },
    },
    async (request) => {
      const { id } = request.params;
      const caller = identityOf(request);
      const owner = await findOwner(pool, id);
      if (owner === undefined || !(caller.isAdmin || owner === caller.userId)) throw notFound(`instance ${id}`);
      const explained = await explainInstance({ instanceId: id, last: request.query.last, sources });
      if (!explained) throw notFound(`instance ${id}`);
      if (!explained.answered) {
        throw new ProblemError(503, 'unavailable', 'Neither the row nor the workflow could be asked. Try again.', {
          retryAfterSeconds: 5,
        });
      }
      return explained.explanation;
    },
  );
}
