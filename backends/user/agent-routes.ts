import { z } from 'zod';
import { notFound, problems } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';
import type { Catalog } from './catalog.ts';
import { agentParams, catalogAgent, flag } from './schemas.ts';

const tags = ['agents'];

export function addAgentRoutes(app: HttpServer, catalog: Catalog): void {
  app.get(
    '/v1/agents',
    {
      schema: {
        operationId: 'listAgents',
        summary: 'List the agents',
        description: 'By name; only those that can be used, unless told otherwise.',
        tags,
        querystring: z.strictObject({ include_retired: flag('Also those that are retired.') }),
        response: { 200: z.object({ agents: z.array(catalogAgent) }).describe('The agents.'), ...problems() },
      },
    },
    async ({ query }) => ({ agents: catalog.list({ includeRetired: query.include_retired }) }),
  );

  app.get(
    '/v1/agents/:id',
    {
      schema: {
        operationId: 'getAgent',
        summary: 'Read an agent, also one that is retired',
        tags,
        params: agentParams,
        response: { 200: catalogAgent, ...problems(404) },
      },
    },
    async ({ params: { id } }) => {
      const agent = catalog.find(id);
      if (!agent) throw notFound(`agent ${id}`);
      return agent;
    },
  );
}
