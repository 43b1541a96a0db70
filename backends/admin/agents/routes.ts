import type { Pool } from 'pg';
import { z } from 'zod';
import { problems } from '../../http/problem.ts';
import type { HttpServer } from '../../http/server.ts';
import { bringBackAgent, changeAgent, listAgents, publishAgent, readAgent, retireAgent } from './agents.ts';
import { agent, agentChange, agentList, agentPath, newAgent, retirement } from './schemas.ts';

const config = { access: 'admin' } as const;
const tags = ['agents'];

export function addAgentRoutes(app: HttpServer, pool: Pool): void {
  app.get(
    '/v1/agents',
    {
      config,
      schema: {
        tags,
        operationId: 'listAgents',
        summary: 'All agents, or those of a name',
        querystring: z.strictObject({ name: z.string().min(1).optional() }),
        response: { 200: agentList, ...problems() },
      },
    },
    async ({ query }) => ({ agents: await listAgents(pool, query.name) }),
  );
  app.post(
    '/v1/agents',
    {
      config,
      schema: {
        tags,
        operationId: 'publishAgent',
        summary: 'Publish an agent',
        description: 'Instances that wait for it are provisioned.',
        body: newAgent,
        response: { 201: agent, ...problems(409, 422) },
      },
    },
    async ({ body }, reply) => {
      const published = await publishAgent(pool, body);
      return reply.status(201).header('location', `/v1/agents/${published.id}`).send(published);
    },
  );
  app.get(
    '/v1/agents/:id',
    {
      config,
      schema: {
        tags,
        operationId: 'readAgent',
        summary: 'One agent',
        params: agentPath,
        response: { 200: agent, ...problems(404) },
      },
    },
    ({ params }) => readAgent(pool, params.id),
  );
  app.patch(
    '/v1/agents/:id',
    {
      config,
      schema: {
        tags,
        operationId: 'changeAgent',
        summary: 'Change an agent',
        description: 'Instances that run go on as they are; what is started from now on uses the change.',
        params: agentPath,
        body: agentChange,
        response: { 200: agent, ...problems(404, 422) },
      },
    },
    ({ params, body }) => changeAgent(pool, params.id, body),
  );
  app.post(
    '/v1/agents/:id/retire',
    {
      config,
      schema: {
        tags,
        operationId: 'retireAgent',
        summary: 'Let no further instance use an agent',
        params: agentPath,
        body: retirement,
        response: { 200: agent, ...problems(404) },
      },
    },
    ({ params, body }) => retireAgent(pool, params.id, body.drain),
  );
  app.post(
    '/v1/agents/:id/publish',
    {
      config,
      schema: {
        tags,
        operationId: 'bringBackAgent',
        summary: 'Take a retirement back',
        params: agentPath,
        response: { 200: agent, ...problems(404) },
      },
    },
    ({ params }) => bringBackAgent(pool, params.id),
  );
}
