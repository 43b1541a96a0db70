import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import type { DesiredState } from '../../contracts/names.ts';
import { identityOf } from '../http/access.ts';
import { problems } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';
import { changeInstance, deleteInstance } from './instance-store.ts';
import { retryInstance } from './retry.ts';
import { instance, instanceChange, instanceParams } from './schemas.ts';
import { writingOf } from './writing.ts';

const tags = ['instances'];
const params = instanceParams;

export interface ChangeOptions {
  pool: Pool;
  temporal: Client;
  taskQueue: string | undefined;
}

export function addInstanceChanges(app: HttpServer, { pool, temporal, taskQueue }: ChangeOptions): void {
  app.patch(
    '/v1/instances/:id',
    {
      schema: {
        operationId: 'changeInstance',
        summary: 'Change what is wanted of an instance',
        description: 'With another config or agent, it runs anew.',
        tags,
        params,
        body: instanceChange,
        response: { 200: instance, ...problems(404, 422) },
      },
    },
    async (request) => changeInstance(pool, writingOf(request), request.params.id, request.body),
  );

  const addWish = (action: 'stop' | 'start', desiredState: DesiredState, summary: string): void => {
    app.post(
      `/v1/instances/:id/${action}`,
      {
        schema: {
          operationId: `${action}Instance`,
          summary,
          description: `Sets \`desired_state\` to \`${desiredState}\`; it may be repeated.`,
          tags,
          params,
          response: { 200: instance, ...problems(404) },
        },
      },
      async (request) =>
        changeInstance(pool, { ...writingOf(request), bodyText: '' }, request.params.id, {
          desired_state: desiredState,
        }),
    );
  };
  addWish('stop', 'stopped', 'Stop the agent and keep the instance');
  addWish('start', 'running', 'Start a stopped instance again');

  app.post(
    '/v1/instances/:id/retry',
    {
      schema: {
        operationId: 'retryInstance',
        summary: 'Try an instance again, with the same config',
        description: 'One that failed, waits for a restart, or was drained with its agent.',
        tags,
        params,
        response: { 200: instance, ...problems(404, 409) },
      },
    },
    async (request) => retryInstance({ pool, temporal, taskQueue }, identityOf(request), request.params.id),
  );

  app.delete(
    '/v1/instances/:id',
    {
      schema: {
        operationId: 'deleteInstance',
        summary: 'Delete an instance and all that was made for it',
        description: 'Answers with the instance as it was; its agent is cleaned up afterwards.',
        tags,
        params,
        response: { 200: instance, ...problems(404) },
      },
    },
    async (request) => deleteInstance(pool, writingOf(request), request.params.id),
  );
}
