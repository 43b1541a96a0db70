import { z } from 'zod';
import { describeRoute } from '../http/open-api.ts';
import { notFound, problems } from '../http/problem.ts';
import { flag } from '../http/query.ts';
import type { HttpServer } from '../http/server.ts';
import type { Catalog } from './catalog.ts';
import { agentParams, catalogAgent } from './schemas.ts';

const listAgents = describeRoute('listAgents', 'List the agents by name', {
  description: 'Retired agents are left out by default.',
  querystring: z.strictObject({ include_retired: flag('Include retired agents.') }),
  response: { 200: z.object({ agents: z.array(catalogAgent) }).describe('The agents.'), ...problems() },
});

const getAgent = describeRoute('getAgent', 'Read an agent, even if it is retired', {
  params: agentParams,
  response: { 200: catalogAgent, ...problems(404) },
});

export function addAgentRoutes(app: HttpServer, catalog: Catalog): void {
  app.get('/v1/agents', { schema: listAgents }, async ({ query }) => ({
    agents: catalog.list({ includeRetired: query.include_retired }),
  }));

  app.get('/v1/agents/:id', { schema: getAgent }, async ({ params: { id } }) => {
    const agent = catalog.find(id);
    if (!agent) throw notFound(`agent ${id}`);
    return agent;
  });
}
