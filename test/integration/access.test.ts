import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeAccess, type AccessCase } from '../support/access.ts';
import { one, useRig } from '../support/rig.ts';
import { createOwnUserServer } from '../support/user-server.ts';

const rig = useRig();
let agentId: string;
let pageFolder: string;

const everybody: AccessCase = { statuses: [200, 200, 200, 200] };
const everyUser: AccessCase = { statuses: [401, 200, 200, 200] };
const owners: AccessCase = { statuses: [401, 404, 200, 200] };

describeAccess('user_backend', {
  open: async () => {
    agentId = await rig.publishAgent();
    pageFolder = await mkdtemp(join(tmpdir(), 'page-'));
    await writeFile(join(pageFolder, 'index.html'), '<!doctype html><title>Page</title>');
    return createOwnUserServer(rig, { pageFolder });
  },
  close: () => rm(pageFolder, { recursive: true, force: true }),
  prepare: async (ownerId) => {
    const { rows } = await rig.pool.query<{ id: string }>(
      'insert into instances (agent_id, user_id) values ($1, $2) returning id',
      [agentId, ownerId],
    );
    return { id: one(rows).id, '*': 'index.html', agentId };
  },
  isUntouched: async ({ id }) => {
    const { rows } = await rig.pool.query('select from instances where id = $1 and sequence = 1', [id]);
    return rows.length === 1;
  },
  table: {
    'GET /': everybody,
    'GET /assets/*': everybody,
    'GET /openapi.json': everybody,
    'GET /page-settings': everybody,
    'GET /v1/me': everyUser,
    'GET /v1/agents': everyUser,
    // The id is one of an instance.
    'GET /v1/agents/:id': { statuses: [401, 404, 404, 404] },
    'POST /v1/instances': { statuses: [401, 201, 201, 201], json: ({ agentId: agent }) => ({ agent_id: agent }) },
    'GET /v1/instances': everyUser,
    'GET /v1/instances/:id': owners,
    'PATCH /v1/instances/:id': { ...owners, json: () => ({ config: { a: 1 } }) },
    'DELETE /v1/instances/:id': owners,
    'POST /v1/instances/:id/stop': owners,
    'POST /v1/instances/:id/start': owners,
    // It is pending.
    'POST /v1/instances/:id/retry': { statuses: [401, 404, 409, 409] },
    'GET /v1/instances/:id/timeline': owners,
    // Its upgrade is tried in user-backend-live.test.ts.
    'GET /v1/updates': { statuses: [401, 426, 426, 426] },
  },
});
