import type { Pool } from 'pg';
import { z } from 'zod';
import { json } from '../../contracts/fields.ts';
import { identityOf } from '../http/access.ts';
import { problems } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';
import { requireEverSeen } from './instance-store.ts';
import { instanceParams } from './schemas.ts';

/** What happened to an instance, of at most so many of the latest events: a JSON object. */
export type ReadTimeline = (instanceId: string, last: number) => Promise<Record<string, unknown>>;

export interface TimelineOptions {
  pool: Pool;
  timeline: ReadTimeline;
}

export function addTimelineRoute(app: HttpServer, { pool, timeline }: TimelineOptions): void {
  app.get(
    '/v1/instances/:id/timeline',
    {
      schema: {
        operationId: 'getTimeline',
        summary: 'What happened to an instance, and what to do',
        description: 'Also of an instance that is deleted: what `npx instances explain --json` prints.',
        tags: ['instances'],
        params: instanceParams,
        querystring: z.strictObject({
          last: z.coerce
            .number()
            .int()
            .min(1)
            .max(1_000)
            .default(200)
            .meta({ type: 'integer', description: 'At most so many of the latest events.' }),
        }),
        response: { 200: json('The instance, its events in order, and a verdict.'), ...problems(404) },
      },
    },
    async (request) => {
      const { id } = request.params;
      await requireEverSeen(pool, identityOf(request), id);
      return timeline(id.toLowerCase(), request.query.last);
    },
  );
}
