import type { Pool } from 'pg';
import { z } from 'zod';
import { identityOf } from '../http/access.ts';
import { problems } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';
import { once } from './idempotency.ts';
import {
  idempotencyHeaders,
  instance,
  instanceChange,
  instanceFilter,
  instanceList,
  instancePath,
  newInstance,
} from './instance-schemas.ts';
import { changeInstance, deleteInstance, insertInstance, listInstances, readInstance } from './instance-store.ts';
import { inTransaction } from './transaction.ts';

const tags = ['instances'];

/** Instances as rows: what is done to them reaches the engine as events, by the triggers of the table. */
export function addInstanceRoutes(app: HttpServer, pool: Pool): void {
  app.post(
    '/v1/instances',
    {
      schema: {
        operationId: 'createInstance',
        tags,
        summary: 'Create an instance',
        description: 'It is `pending` at first; its events tell how it goes on.',
        headers: idempotencyHeaders,
        body: newInstance,
        response: { 201: instance, ...problems(422) },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const caller = identityOf(request);
      const key = request.headers['idempotency-key'];
      const { answer, replayed } = await inTransaction(pool, traceOf(request), async (client) => {
        const create = () => insertInstance(client, caller, body);
        if (key === undefined) return { answer: await create(), replayed: false };
        return once(client, { userId: caller.userId, key, body }, create);
      });
      if (replayed) reply.header('idempotency-replayed', 'true');
      return reply.status(201).header('location', `/v1/instances/${answer.id}`).send(answer);
    },
  );
  app.get(
    '/v1/instances',
    {
      schema: {
        operationId: 'listInstances',
        tags,
        summary: 'Instances, the newest first',
        description: 'One’s own; for admins those of everybody.',
        querystring: instanceFilter,
        response: { 200: instanceList, ...problems() },
      },
    },
    (request) => listInstances(pool, identityOf(request), request.query),
  );
  app.get(
    '/v1/instances/:id',
    {
      schema: {
        operationId: 'readInstance',
        tags,
        summary: 'One instance',
        params: instancePath,
        response: { 200: instance, ...problems(404) },
      },
    },
    (request) => readInstance(pool, identityOf(request), request.params.id),
  );
  app.patch(
    '/v1/instances/:id',
    {
      schema: {
        operationId: 'changeInstance',
        tags,
        summary: 'Change what is wanted of an instance',
        description: 'An agent that runs is replaced by one with the new config.',
        params: instancePath,
        body: instanceChange,
        response: { 200: instance, ...problems(404, 422) },
      },
    },
    (request) =>
      inTransaction(pool, traceOf(request), (client) =>
        changeInstance(client, identityOf(request), request.params.id, request.body),
      ),
  );
  app.delete(
    '/v1/instances/:id',
    {
      schema: {
        operationId: 'deleteInstance',
        tags,
        summary: 'Delete an instance',
        description: 'Answers with what it was. All that was made for it is cleaned up.',
        params: instancePath,
        response: { 200: instance, ...problems(404) },
      },
    },
    (request) =>
      inTransaction(pool, traceOf(request), (client) => deleteInstance(client, identityOf(request), request.params.id)),
  );
}

const traced = z.object({ traceparent: z.string().optional().catch(undefined) });

export function traceOf({ headers }: { headers: unknown }): { traceparent?: string | undefined } {
  return traced.parse(headers);
}
