import type { Pool } from 'pg';
import type { IdRange } from '../../../database/where.ts';
import { describeRoute } from '../../http/open-api.ts';
import { problems } from '../../http/problem.ts';
import { createReadLanes } from '../../http/read-lanes.ts';
import type { HttpServer } from '../../http/server.ts';
import { withTimesAsText } from '../../http/times.ts';
import { auditPage, auditQuery, verificationAnswer, verificationQuery } from './schemas.ts';
import { findEntries } from './search.ts';
import { verifyAudit } from './verify.ts';

const search = describeRoute('searchAudit', 'Search the audit log, newest entry first', {
  querystring: auditQuery,
  response: { 200: auditPage, ...problems() },
});

const verify = describeRoute('verifyAudit', 'Verify that the audit log was not changed', {
  description: 'Reads the whole log, which takes some seconds for each 100,000 entries.',
  querystring: verificationQuery,
  response: { 200: verificationAnswer, ...problems() },
});

export function addAuditRoutes(app: HttpServer, pool: Pool): void {
  const inSearchLane = createReadLanes({ perUser: 2, overall: 4 });
  const inVerificationLane = createReadLanes({ perUser: 1, overall: 2 });

  app.get('/v1/audit', { schema: search }, async (request) => {
    const { instance_id: instance, agent_id: agent, user_id: user, cursor: before, limit, ...rest } = request.query;
    const agentIds = agent === undefined ? undefined : [agent];
    const filter = { ...rest, instance: only(instance), agentIds, user: only(user), before };
    const found = await inSearchLane(request, () => findEntries(pool, filter, limit + 1));
    const entries = found.slice(0, limit);
    const last = entries.at(-1);
    return {
      entries: entries.map(withTimesAsText),
      next_cursor: last && found.length > limit ? String(last.position) : null,
    };
  });

  app.get('/v1/audit/verification', { schema: verify }, (request) =>
    inVerificationLane(request, async () => {
      const client = await pool.connect();
      try {
        const { entries, firstPosition, head, problem, notice } = await verifyAudit(client, request.query.expect);
        return {
          intact: problem === undefined,
          entries,
          first_position: firstPosition,
          last_position: head?.position ?? null,
          head_hash: head?.hash ?? null,
          problem: problem?.message ?? null,
          notice: notice ?? null,
        };
      } finally {
        client.release();
      }
    }),
  );
}

function only(id: string | undefined): IdRange | undefined {
  return id === undefined ? undefined : { lowest: id, highest: id };
}
