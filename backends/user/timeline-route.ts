import type { Pool } from 'pg';
import { z } from 'zod';
import { explainInstance } from '../../explain/explain-instance.ts';
import { explanation } from '../../explain/explanation.ts';
import type { Sources } from '../../explain/gather.ts';
import { identityOf } from '../http/access.ts';
import { describeRoute } from '../http/open-api.ts';
import { notFound, ProblemError, problems } from '../http/problem.ts';
import { limitOf } from '../http/query.ts';
import { createReadLanes } from '../http/read-lanes.ts';
import type { HttpServer } from '../http/server.ts';
import { readVisiblePast } from './instance-store.ts';
import { instanceParams } from './schemas.ts';

export interface TimelineOptions {
  pool: Pool;
  /** The servers that the timeline is read from. */
  sources: Sources;
}

const getTimeline = describeRoute('getTimeline', 'What happened to an instance, and what to do', {
  description:
    'Also of an instance that is deleted: what `npx instances explain --json` prints. Where its id was that of another ' +
    "user's instance before, only what happened since.",
  params: instanceParams,
  querystring: z.strictObject({ last: limitOf(1_000, 200).describe('Number of the latest events to show, at most.') }),
  response: { 200: explanation.meta({ id: 'Explanation' }), ...problems(404) },
});

export function addTimelineRoute(app: HttpServer, { pool, sources }: TimelineOptions): void {
  const inLane = createReadLanes({ perUser: 2, overall: 8 });
  app.get('/v1/instances/:id/timeline', { schema: getTimeline }, (request) =>
    inLane(request, async () => {
      const { id } = request.params;
      const past = await readVisiblePast(pool, identityOf(request), id);
      const { last } = request.query;
      const explained = await explainInstance({ instanceId: id.toLowerCase(), last, past, sources });
      if (!explained) throw notFound(`instance ${id}`);
      if (explained.answered) return explained.explanation;
      const detail = 'Neither the row nor the workflow could be read. Try again.';
      throw new ProblemError(503, 'unavailable', detail, { retryAfterSeconds: 5 });
    }),
  );
}
