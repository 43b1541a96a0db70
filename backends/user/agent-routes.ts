import { z } from 'zod';
import { id } from '../../contracts/fields.ts';
import { notFound, problems } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';
import { catalogAgent, type AgentCatalog } from './agent-catalog.ts';

const tags = ['agents'];

export function addAgentRoutes(app: HttpServer, catalog: AgentCatalog): void {
  app.get(
    '/v1/agents',
    {
      schema: {
        operationId: 'listAgents',
        tags,
        summary: 'The agents of which there can be instances',
        querystring: z.strictObject({
          include_retired: z.stringbool().default(false).meta({ description: 'Also those that are retired.' }),
        }),
        response: { 200: z.object({ agents: z.array(catalogAgent) }), ...problems() },
      },
    },
    ({ query }) => ({
      agents: catalog.list().filter(({ retired_at: retiredAt }) => query.include_retired || retiredAt === null),
    }),
  );
  app.get(
    '/v1/agents/:id',
    {
      schema: {
        operationId: 'readAgent',
        tags,
        summary: 'One agent, also a retired one',
        params: z.object({ id: id('The agent.').toLowerCase() }),
        response: { 200: catalogAgent, ...problems(404) },
      },
    },
    ({ params }) => {
      const agent = catalog.find(params.id);
      if (!agent) throw notFound(`agent ${params.id}`);
      return agent;
    },
  );
}
