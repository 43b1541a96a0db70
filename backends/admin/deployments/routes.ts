import type { Pool } from 'pg';
import { z } from 'zod';
import { deploymentJson } from '../../../database/deployments/deployment-json.ts';
import { listBuilds, listDeployments } from '../../../database/deployments/list.ts';
import { deploymentActions, type DeploymentAction } from '../../../database/deployments/request.ts';
import { identityOf } from '../../http/access.ts';
import { describeRoute } from '../../http/open-api.ts';
import { problems } from '../../http/problem.ts';
import type { HttpServer } from '../../http/server.ts';
import { traceOf } from '../../http/trace.ts';
import { actOnDeployment, listFindings, readOne, startDeployment } from './deployments.ts';
import {
  buildList,
  deploymentList,
  deploymentPath,
  deploymentQuery,
  findingPage,
  findingQuery,
  idempotencyKey,
  newDeployment,
} from './schemas.ts';

const start = describeRoute('requestDeployment', 'Deploy a build of agents_worker', {
  description:
    'The build replays the open histories, takes a part of the instances in each step, and becomes the current one, or is taken back. ' +
    'A deployment whose previous build still drains is superseded. With an Idempotency-Key, the request can be repeated.',
  headers: z.looseObject({ 'idempotency-key': idempotencyKey.optional() }),
  body: newDeployment,
  response: { 201: deploymentJson, ...problems(404, 409, 422) },
});

const list = describeRoute('listDeployments', 'List deployments, the newest first', {
  querystring: deploymentQuery,
  response: { 200: deploymentList, ...problems() },
});

const read = describeRoute('readDeployment', 'Read a deployment', {
  params: deploymentPath,
  response: { 200: deploymentJson, ...problems(404) },
});

const instances = describeRoute('listDeploymentInstances', 'List the instances of which a deployment found something', {
  params: deploymentPath,
  querystring: findingQuery,
  response: { 200: findingPage, ...problems(404) },
});

const builds = describeRoute('listBuilds', 'List the builds of agents_worker that were seen', {
  response: { 200: buildList, ...problems() },
});

const inWords: Readonly<Record<DeploymentAction, { summary: string; description: string }>> = {
  pause: {
    summary: 'Pause a deployment',
    description: 'The candidate keeps the instances that it has, and gets no more until the deployment is resumed.',
  },
  resume: {
    summary: 'Resume a paused deployment',
    description: 'Failures that it was paused for do not count any more. It may be repeated.',
  },
  promote: {
    summary: 'Promote a deployment without further steps',
    description: 'Needed where the strategy says `auto_promote: false`. Earlier, it skips the steps that are left.',
  },
  rollback: {
    summary: 'Roll a deployment back',
    description:
      'The previous build gets every instance back. It needs a running worker of the previous build, also after the promotion.',
  },
  abort: {
    summary: 'Abort a deployment before its promotion',
    description: 'The candidate gets no more tasks. Repeated, it changes nothing.',
  },
};

export function addDeploymentRoutes(app: HttpServer, pool: Pool): void {
  app.post('/v1/deployments', { schema: start }, async (request, reply) => {
    const { deployment_name: deploymentName, build_id: buildId, strategy = {} } = request.body;
    const { userId: requestedBy } = identityOf(request);
    const key = request.headers['idempotency-key'];
    const deployment = { deploymentName, buildId, strategy, requestedBy, key };
    const { answer, isRepeated } = await startDeployment(pool, deployment, traceOf(request));
    if (isRepeated) reply.header('idempotency-replayed', 'true');
    return reply.status(201).header('location', `/v1/deployments/${answer.id}`).send(answer);
  });

  app.get(
    '/v1/deployments',
    { schema: list },
    async ({ query: { deployment_name: deploymentName, status, limit } }) => ({
      deployments: await listDeployments(pool, { deploymentName, statuses: status && [status], limit }),
    }),
  );

  app.get('/v1/deployments/:id', { schema: read }, ({ params }) => readOne(pool, params.id));

  app.get('/v1/deployments/:id/instances', { schema: instances }, ({ params, query: { healed, ...filter } }) =>
    listFindings(pool, params.id, { ...filter, isOpen: healed === undefined ? undefined : !healed }),
  );

  app.get('/v1/builds', { schema: builds }, async () => ({ builds: await listBuilds(pool) }));

  for (const action of deploymentActions) {
    const { summary, description } = inWords[action];
    const schema = describeRoute(`${action}Deployment`, summary, {
      description,
      params: deploymentPath,
      response: { 200: deploymentJson, ...problems(404, 409) },
    });
    app.post(`/v1/deployments/:id/${action}`, { schema }, (request) =>
      actOnDeployment(pool, request.params.id, action, traceOf(request)),
    );
  }
}
