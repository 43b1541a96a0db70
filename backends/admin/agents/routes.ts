import type { Pool } from 'pg';
import { z } from 'zod';
import { describeRoute } from '../../http/open-api.ts';
import { problems } from '../../http/problem.ts';
import type { HttpServer } from '../../http/server.ts';
import { bringBackAgent, changeAgent, listAgents, publishAgent, readAgent, retireAgent } from './agents.ts';
import { agent, agentChange, agentList, agentPath, newAgent, retirement } from './schemas.ts';

const list = describeRoute('listAgents', 'List all agents, or those of a name', {
  querystring: z.strictObject({ name: z.string().min(1).optional() }),
  response: { 200: agentList, ...problems() },
});

const publish = describeRoute('publishAgent', 'Publish an agent', {
  description: 'Instances that wait for the agent are provisioned.',
  body: newAgent,
  response: { 201: agent, ...problems(409, 422) },
});

const read = describeRoute('readAgent', 'Read an agent', {
  params: agentPath,
  response: { 200: agent, ...problems(404) },
});

const change = describeRoute('changeAgent', 'Change an agent', {
  description: 'Another runtime or other capabilities need another version. Running instances continue unchanged.',
  params: agentPath,
  body: agentChange,
  response: { 200: agent, ...problems(404, 409, 422) },
});

const retire = describeRoute('retireAgent', 'Retire an agent, so that no further instance can use it', {
  params: agentPath,
  body: retirement,
  response: { 200: agent, ...problems(404) },
});

const bringBack = describeRoute('bringBackAgent', 'Undo the retirement of an agent', {
  params: agentPath,
  response: { 200: agent, ...problems(404) },
});

export function addAgentRoutes(app: HttpServer, pool: Pool): void {
  app.get('/v1/agents', { schema: list }, async ({ query }) => ({ agents: await listAgents(pool, query.name) }));

  app.post('/v1/agents', { schema: publish }, async ({ body }, reply) => {
    const published = await publishAgent(pool, body);
    return reply.status(201).header('location', `/v1/agents/${published.id}`).send(published);
  });

  app.get('/v1/agents/:id', { schema: read }, ({ params }) => readAgent(pool, params.id));

  app.patch('/v1/agents/:id', { schema: change }, ({ params, body }) => changeAgent(pool, params.id, body));

  app.post('/v1/agents/:id/retire', { schema: retire }, ({ params, body }) => retireAgent(pool, params.id, body.drain));

  app.post('/v1/agents/:id/publish', { schema: bringBack }, ({ params }) => bringBackAgent(pool, params.id));
}
