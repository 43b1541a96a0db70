import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import { identityOf } from '../http/access.ts';
import { describeRoute } from '../http/open-api.ts';
import { problems } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';
import { writingOf } from './instance-routes.ts';
import { changeInstance, deleteInstance } from './instance-store.ts';
import { retryInstance } from './retry.ts';
import { instance, instanceChange, instanceParams } from './schemas.ts';

const params = instanceParams;

const patchInstance = describeRoute(
  'changeInstance',
  'Change the agent, its version, the config or the desired state of an instance',
  {
    description: 'A new config, agent or version restarts an instance that runs.',
    params,
    body: instanceChange,
    response: { 200: instance, ...problems(404, 409, 422) },
  },
);

const stopInstance = describeRoute('stopInstance', 'Stop the agent and keep the instance', {
  description: 'Sets `desired_state` to `stopped`. Repeating it changes nothing.',
  params,
  response: { 200: instance, ...problems(404) },
});

const startInstance = describeRoute('startInstance', 'Start a stopped instance again', {
  description: 'Sets `desired_state` to `running`. Repeating it changes nothing.',
  params,
  response: { 200: instance, ...problems(404) },
});

const postRetry = describeRoute('retryInstance', 'Retry an instance with the same config', {
  description: 'Applies to an instance that failed, waits for a restart, or was drained with its agent.',
  params,
  response: { 200: instance, ...problems(404, 409) },
});

const removeInstance = describeRoute('deleteInstance', 'Delete an instance and everything that was created for it', {
  description: 'Answers with the instance as it was. The agent is cleaned up afterwards.',
  params,
  response: { 200: instance, ...problems(404) },
});

export interface ChangeOptions {
  pool: Pool;
  temporal: Client;
  taskQueue: string | undefined;
}

export function addInstanceChanges(app: HttpServer, { pool, temporal, taskQueue }: ChangeOptions): void {
  app.patch('/v1/instances/:id', { schema: patchInstance }, async (request) => {
    const { agent_id: agentId, desired_state: desiredState } = request.body;
    const { agent_version: agentVersion, version_policy: versionPolicy } = request.body;
    const change = { agentId, desiredState, agentVersion, versionPolicy, json: request.bodyText };
    return changeInstance(pool, writingOf(request), request.params.id, change);
  });

  app.post('/v1/instances/:id/stop', { schema: stopInstance }, async (request) =>
    changeInstance(pool, writingOf(request), request.params.id, { desiredState: 'stopped' }),
  );

  app.post('/v1/instances/:id/start', { schema: startInstance }, async (request) =>
    changeInstance(pool, writingOf(request), request.params.id, { desiredState: 'running' }),
  );

  app.post('/v1/instances/:id/retry', { schema: postRetry }, async (request) =>
    retryInstance({ pool, temporal, taskQueue }, identityOf(request), request.params.id),
  );

  app.delete('/v1/instances/:id', { schema: removeInstance }, async (request) =>
    deleteInstance(pool, writingOf(request), request.params.id),
  );
}
