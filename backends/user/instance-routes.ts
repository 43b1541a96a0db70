import type { Pool } from 'pg';
import { z } from 'zod';
import { id } from '../../contracts/fields.ts';
import { instanceStatuses } from '../../contracts/names.ts';
import { identityOf } from '../http/access.ts';
import { ProblemError, problems } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';
import type { Identity } from '../http/tokens.ts';
import { cursor } from './cursor.ts';
import { idempotencyKey } from './idempotency.ts';
import { listInstances } from './instance-list.ts';
import { createInstance, readInstance } from './instance-store.ts';
import { instance, instanceParams, instanceSummary, newInstance } from './schemas.ts';
import { writingOf } from './writing.ts';

const tags = ['instances'];

const created = {
  description: 'The new instance, or the answer of the first request with this key.',
  headers: {
    location: { type: 'string', description: 'Path of the instance.' },
    'idempotency-replayed': { type: 'string', description: '`true` when an earlier request created it.' },
  },
  content: { 'application/json': { schema: instance } },
} as const;

const page = z
  .object({
    instances: z.array(instanceSummary),
    next_cursor: z.string().nullable().meta({ description: 'For the next page; null on the last one.' }),
  })
  .meta({ id: 'InstancePage' });

const filters = z.strictObject({
  status: z.enum(instanceStatuses).optional(),
  agent_id: id('Only those of this agent.').optional(),
  user_id: id("Only those of this user; of others than the caller's own, for admins.").optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50).meta({ type: 'integer' }),
  cursor: cursor.optional(),
});

export function addInstanceRoutes(app: HttpServer, pool: Pool): void {
  app.post(
    '/v1/instances',
    {
      schema: {
        operationId: 'createInstance',
        summary: 'Create an instance',
        description: 'It is `pending` at first. With an Idempotency-Key, the request may be repeated safely.',
        tags,
        headers: z.looseObject({ 'idempotency-key': idempotencyKey.optional() }),
        body: newInstance,
        response: { 201: created, ...problems(422) },
      },
    },
    async (request, reply) => {
      const { agent_id: agentId, desired_state: desiredState } = request.body;
      const key = request.headers['idempotency-key'];
      const { answer, isReplay } = await createInstance(pool, {
        ...writingOf(request),
        agentId,
        desiredState,
        idempotencyKey: key,
      });
      reply.header('location', `/v1/instances/${answer.id}`);
      if (isReplay) reply.header('idempotency-replayed', 'true');
      return reply.status(201).send(answer);
    },
  );

  app.get(
    '/v1/instances',
    {
      schema: {
        operationId: 'listInstances',
        summary: 'List instances, the newest first',
        description: "The caller's own; for admins, those of all users.",
        tags,
        querystring: filters,
        response: { 200: page, ...problems() },
      },
    },
    async (request) => {
      const { agent_id: agentId, user_id: userId, ...query } = request.query;
      return listInstances(pool, { ...query, agentId, userId: seenUser(identityOf(request), userId) });
    },
  );

  app.get(
    '/v1/instances/:id',
    {
      schema: {
        operationId: 'getInstance',
        summary: 'Read an instance',
        tags,
        params: instanceParams,
        response: { 200: instance, ...problems(404) },
      },
    },
    async (request) => readInstance(pool, identityOf(request), request.params.id),
  );
}

/** Whose instances are listed; undefined for those of all. */
function seenUser({ isAdmin, userId }: Identity, asked: string | undefined): string | undefined {
  if (isAdmin) return asked;
  if (asked === undefined || asked.toLowerCase() === userId) return userId;
  throw new ProblemError(403, 'forbidden', 'Only admins see the instances of others: leave user_id out.');
}
