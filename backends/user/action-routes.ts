import type { Pool } from 'pg';
import type { DesiredState } from '../../contracts/names.ts';
import { identityOf } from '../http/access.ts';
import { ProblemError, problems } from '../http/problem.ts';
import type { HttpServer } from '../http/server.ts';
import { instance, instancePath } from './instance-schemas.ts';
import { traceOf } from './instance-routes.ts';
import { assertRetryable, changeInstance, readInstance } from './instance-store.ts';
import { inTransaction } from './transaction.ts';

export interface ActionRouteOptions {
  pool: Pool;
  /** False when no workflow looks after the instance. */
  requestRetry: (instanceId: string) => Promise<boolean>;
}

const tags = ['instances'];

/** Stop, start and retry: asked for here, done by the engine. */
export function addActionRoutes(app: HttpServer, { pool, requestRetry }: ActionRouteOptions): void {
  const addDesire = (action: 'stop' | 'start', desired: DesiredState, summary: string): void => {
    app.post(
      `/v1/instances/:id/${action}`,
      {
        schema: {
          operationId: `${action}Instance`,
          tags,
          summary,
          description: 'Answers with the row; its status follows.',
          params: instancePath,
          response: { 200: instance, ...problems(404, 409, 422) },
        },
      },
      (request) =>
        inTransaction(pool, traceOf(request), async (client) => {
          const caller = identityOf(request);
          const { id } = request.params;
          const before = await readInstance(client, caller, id);
          if (desired === 'running' && before.desired_state === 'running' && before.status === 'failed') {
            throw new ProblemError(
              409,
              'use_retry',
              'It is failed, and wanted to run already: try it again with retry.',
            );
          }
          return changeInstance(client, caller, id, { desired_state: desired });
        }),
    );
  };
  addDesire('stop', 'stopped', 'Stop the agent and keep the instance');
  addDesire('start', 'running', 'Start a stopped instance again');

  app.post(
    '/v1/instances/:id/retry',
    {
      schema: {
        operationId: 'retryInstance',
        tags,
        summary: 'Try a failed instance again, with the same config',
        params: instancePath,
        response: { 200: instance, ...problems(404, 409) },
      },
    },
    async (request) => {
      const found = await assertRetryable(pool, identityOf(request), request.params.id);
      if (await requestRetry(found.id)) return found;
      throw new ProblemError(409, 'no_workflow', 'No workflow looks after it just now. Try again in a minute.');
    },
  );
}
