import type { Pool } from 'pg';
import { listRollouts } from '../../../database/rollouts/list.ts';
import { rolloutActions, type RolloutAction } from '../../../database/rollouts/request.ts';
import { rolloutWithWaves } from '../../../database/rollouts/rollout-json.ts';
import { identityOf } from '../../http/access.ts';
import { describeRoute } from '../../http/open-api.ts';
import { problems } from '../../http/problem.ts';
import type { HttpServer } from '../../http/server.ts';
import { traceOf } from '../../http/trace.ts';
import { readAgent } from '../agents/agents.ts';
import { agentPath } from '../agents/schemas.ts';
import { actOnRollout, listMovedPage, readOne, startRollout } from './rollouts.ts';
import {
  movedPage,
  movedQuery,
  newRollout,
  rolloutList,
  rolloutPath,
  rolloutQuery,
  rolloutsOfAgentQuery,
} from './schemas.ts';

const start = describeRoute('startRollout', 'Roll a version of an agent out', {
  description:
    'Moves the instances of the agent to the version, wave by wave. New instances get it once the rollout is completed. If ' +
    'another rollout of the agent is active, `on_new_version` of the strategy says what happens to it.',
  params: agentPath,
  body: newRollout,
  response: { 201: rolloutWithWaves, ...problems(404, 409, 422) },
});

const ofAgent = describeRoute('listRolloutsOfAgent', 'List the rollouts of an agent, the newest first', {
  params: agentPath,
  querystring: rolloutsOfAgentQuery,
  response: { 200: rolloutList, ...problems(404) },
});

const list = describeRoute('listRollouts', 'List rollouts, the newest first', {
  querystring: rolloutQuery,
  response: { 200: rolloutList, ...problems() },
});

const read = describeRoute('readRollout', 'Read a rollout with its waves', {
  params: rolloutPath,
  response: { 200: rolloutWithWaves, ...problems(404) },
});

const instances = describeRoute('listMovedInstances', 'List the instances that a rollout moved, by wave', {
  params: rolloutPath,
  querystring: movedQuery,
  response: { 200: movedPage, ...problems(404) },
});

const inWords: Readonly<Record<RolloutAction, { summary: string; description: string }>> = {
  pause: {
    summary: 'Pause a rollout',
    description:
      'No wave begins until it is resumed. What was moved already is still judged, and goes back if it fails.',
  },
  resume: {
    summary: 'Resume a paused rollout',
    description:
      'Failures that it was paused for do not count any more. A rollout that awaits its promotion goes on waiting.',
  },
  promote: {
    summary: 'Allow the waves after the canary',
    description: 'Needed where the strategy says `auto_promote: false`. It may be done before the canary is over.',
  },
  abort: {
    summary: 'Abort a rollout',
    description:
      'The moved instances get their versions back. The version is not withdrawn. Repeated, it changes nothing.',
  },
};

export function addRolloutRoutes(app: HttpServer, pool: Pool): void {
  app.post('/v1/agents/:id/rollouts', { schema: start }, async (request, reply) => {
    const { version, strategy = {} } = request.body;
    const { userId: requestedBy } = identityOf(request);
    const rollout = { agentId: request.params.id, version, strategy, requestedBy };
    const started = await startRollout(pool, rollout, traceOf(request));
    return reply.status(201).header('location', `/v1/rollouts/${started.id}`).send(started);
  });

  app.get('/v1/agents/:id/rollouts', { schema: ofAgent }, async ({ params, query: { status, limit } }) => {
    const { id } = await readAgent(pool, params.id);
    return { rollouts: await listRollouts(pool, { agentIds: [id], statuses: status && [status], limit }) };
  });

  app.get('/v1/rollouts', { schema: list }, async ({ query: { agent_id: agentId, status, limit } }) => ({
    rollouts: await listRollouts(pool, {
      agentIds: agentId === undefined ? undefined : [agentId],
      statuses: status && [status],
      limit,
    }),
  }));

  app.get('/v1/rollouts/:id', { schema: read }, ({ params }) => readOne(pool, params.id));

  app.get('/v1/rollouts/:id/instances', { schema: instances }, ({ params, query }) =>
    listMovedPage(pool, params.id, query),
  );

  for (const action of rolloutActions) {
    const { summary, description } = inWords[action];
    const schema = describeRoute(`${action}Rollout`, summary, {
      description,
      params: rolloutPath,
      response: { 200: rolloutWithWaves, ...problems(404, 409) },
    });
    app.post(`/v1/rollouts/:id/${action}`, { schema }, (request) =>
      actOnRollout(pool, request.params.id, action, traceOf(request)),
    );
  }
}
