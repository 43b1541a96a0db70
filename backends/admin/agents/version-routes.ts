import type { Pool } from 'pg';
import { z } from 'zod';
import { listVersions, publishVersion, VersionRefused } from '../../../database/agents/versions.ts';
import { inTransaction } from '../../../database/transaction.ts';
import { describeRoute } from '../../http/open-api.ts';
import { notFound, ProblemError, problems } from '../../http/problem.ts';
import type { HttpServer } from '../../http/server.ts';
import { withTimesAsText } from '../../http/times.ts';
import { traceOf } from '../../http/trace.ts';
import { problemOf } from './agents.ts';
import { agentPath, agentVersion, newVersion } from './schemas.ts';

const list = describeRoute('listVersions', 'List the versions of an agent, the newest first', {
  params: agentPath,
  response: { 200: z.object({ versions: z.array(agentVersion) }), ...problems(404) },
});

const publish = describeRoute('publishVersion', 'Publish a version of an agent', {
  description:
    'A version never changes. Publishing it again with the same content answers 200 and changes nothing. Instances go on with ' +
    'their versions until a rollout moves them, and new ones get the stable version. Where the agent has `rollout`, a new ' +
    'version begins such a rollout.',
  params: agentPath,
  body: newVersion,
  response: { 200: agentVersion, 201: agentVersion, ...problems(404, 409, 422) },
});

export function addVersionRoutes(app: HttpServer, pool: Pool): void {
  app.get('/v1/agents/:id/versions', { schema: list }, async ({ params }) => {
    const versions = await listVersions(pool, params.id);
    if (!versions) throw notFound(`agent ${params.id}`);
    return { versions: versions.map(withTimesAsText) };
  });

  app.post('/v1/agents/:id/versions', { schema: publish }, async (request, reply) => {
    const { params, body } = request;
    const published = await inTransaction(pool, traceOf(request), (client) =>
      publishVersion(client, params.id, body),
    ).catch((error: unknown) => {
      throw toProblem(error);
    });
    if (!published) throw notFound(`agent ${params.id}`);
    return reply.status(published.isNew ? 201 : 200).send(withTimesAsText(published.version));
  });
}

function toProblem(error: unknown): unknown {
  if (error instanceof VersionRefused) return new ProblemError(409, error.code, error.message, { cause: error });
  return problemOf(error);
}
