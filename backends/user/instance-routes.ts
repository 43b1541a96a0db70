import type { FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import { z } from 'zod';
import { id } from '../../contracts/fields.ts';
import { instanceStatuses } from '../../contracts/names.ts';
import { listInstances } from '../../database/instances/list.ts';
import { identityOf } from '../http/access.ts';
import { describeRoute } from '../http/open-api.ts';
import { ProblemError, problems } from '../http/problem.ts';
import { limitOf } from '../http/query.ts';
import type { HttpServer } from '../http/server.ts';
import { withTimesAsText } from '../http/times.ts';
import type { Identity } from '../http/tokens.ts';
import { traceOf } from '../http/trace.ts';
import { cursor, encodeCursor } from './cursor.ts';
import { idempotencyKey } from './idempotency.ts';
import { createInstance, readVisibleInstance, type Writing } from './instance-store.ts';
import { instance, instanceParams, instancePage, newInstance } from './schemas.ts';

const getInstance = describeRoute('getInstance', 'Read an instance', {
  params: instanceParams,
  response: { 200: instance, ...problems(404) },
});

const created = {
  description: 'The new instance, or the answer to the first request with this key.',
  headers: {
    location: { type: 'string', description: 'Path of the instance.' },
    'idempotency-replayed': { type: 'string', description: '`true` if an earlier request created it.' },
  },
  content: { 'application/json': { schema: instance } },
} as const;

const postInstance = describeRoute('createInstance', 'Create an instance', {
  description:
    'The instance starts as `pending`. With an Idempotency-Key, the request can be repeated without creating a second one.',
  headers: z.looseObject({ 'idempotency-key': idempotencyKey.optional() }),
  body: newInstance,
  response: { 201: created, ...problems(409, 422) },
});

const filters = z.strictObject({
  status: z.enum(instanceStatuses).optional(),
  agent_id: id('Only instances of this agent.').optional(),
  user_id: id('Only instances of this user. Only admins may name another user than themselves.').optional(),
  limit: limitOf(200, 50),
  cursor: cursor.optional(),
});

const getInstances = describeRoute('listInstances', 'List instances, newest first', {
  description: 'Users list their own instances, admins those of all users.',
  querystring: filters,
  response: { 200: instancePage, ...problems() },
});

export function addInstanceRoutes(app: HttpServer, pool: Pool): void {
  app.get('/v1/instances/:id', { schema: getInstance }, async (request) =>
    readVisibleInstance(pool, identityOf(request), request.params.id),
  );

  app.post('/v1/instances', { schema: postInstance }, async (request, reply) => {
    const { agent_id: agentId, desired_state: desiredState } = request.body;
    const { agent_version: agentVersion, version_policy: versionPolicy } = request.body;
    const key = request.headers['idempotency-key'];
    const creation = { ...writingOf(request), agentId, desiredState, agentVersion, versionPolicy, idempotencyKey: key };
    const { answer, isReplay } = await createInstance(pool, creation);
    reply.header('location', `/v1/instances/${answer.id}`);
    if (isReplay) reply.header('idempotency-replayed', 'true');
    return reply.status(201).send(answer);
  });

  app.get('/v1/instances', { schema: getInstances }, async (request) => {
    const { status, agent_id: agentId, user_id: asked, limit, cursor: after } = request.query;
    const userId = listedUser(identityOf(request), asked);
    const { instances, next } = await listInstances(pool, {
      status,
      agentIds: agentId === undefined ? undefined : [agentId],
      users: userId === undefined ? undefined : { lowest: userId, highest: userId },
      limit,
      after,
    });
    return { instances: instances.map(withTimesAsText), next_cursor: next ? encodeCursor(next) : null };
  });
}

export function writingOf(request: FastifyRequest): Writing {
  return {
    identity: identityOf(request),
    bodyText: request.bodyText,
    traceparent: traceOf(request),
  };
}

/** The user whose instances are listed; undefined for those of all users. */
function listedUser({ isAdmin, userId }: Identity, asked: string | undefined): string | undefined {
  if (isAdmin) return asked;
  if (asked === undefined || asked.toLowerCase() === userId) return userId;
  throw new ProblemError(403, 'forbidden', 'Only admins may list the instances of other users. Leave user_id out.');
}
