import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { HttpServer } from '../../backends/http/server.ts';
import { useAdminBackend } from '../support/admin-backend.ts';
import { createDeploymentRows } from '../support/deployment-rows.ts';
import { preparePython } from '../support/python.ts';
import { useRig } from '../support/rig.ts';
import { runSchemathesis } from '../support/schemathesis.ts';
import { signToken } from '../support/tokens.ts';
import { createOwnUserServer } from '../support/user-server.ts';

const found = await preparePython('schemathesis.txt');
const rig = useRig({ services: ['event_broker'] });
const admins = useAdminBackend(rig);
let users: HttpServer;
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
  users = await createOwnUserServer(rig, { pageFolder: tmpdir() });
});
beforeEach(({ skip }) => {
  if ('missing' in found) skip(found.missing);
});
afterAll(() => users?.close());

const insertInstances = async (userId: string, count: number): Promise<string[]> => {
  const { rows } = await rig.pool.query<{ id: string }>(
    'insert into instances (agent_id, user_id) select $1, $2 from generate_series(1, $3) returning id',
    [agentId, userId, count],
  );
  return rows.map(({ id }) => id);
};

test('user_backend answers as its document says, whatever it is sent', async ({ signal }) => {
  if ('missing' in found) return;
  const userId = randomUUID();
  const report = await runSchemathesis({
    ...found,
    signal,
    url: await users.listen({ host: '127.0.0.1', port: 0 }),
    token: await signToken({ userId }),
    known: {
      'path.id': [agentId, ...(await insertInstances(userId, 50))],
      'body.agent_id': [agentId],
      'query.user_id': [userId],
    },
  });
  expect(report).toMatchObject({ exitCode: 0, output: expect.stringContaining('No issues found') });
}, 240_000);

test.for([
  { about: 'agents, rollouts and instances', paths: /^(?!\/v1\/(deployments|hosts|dead-letters))/ },
  { about: 'deployments, hosts and dead letters', paths: /^\/v1\/(deployments|hosts|dead-letters)/ },
])(
  'admin_backend answers as its document says, whatever it is sent about $about',
  { timeout: 240_000 },
  async ({ paths }, { signal }) => {
    if ('missing' in found) return;
    const userId = randomUUID();
    const [instanceId = ''] = await insertInstances(userId, 1);
    const deployments = await createDeploymentRows(rig.environment.DATABASE_URL);
    const deploymentId = await deployments.request();
    await deployments.close();
    const report = await runSchemathesis({
      ...found,
      signal,
      url: admins.url,
      paths,
      token: await signToken({ userId: randomUUID(), roles: ['admin'] }),
      known: {
        'path.id': [agentId, deploymentId],
        'body.deployment_name': [deployments.deploymentName],
        'query.instance_id': [instanceId],
        'query.agent_id': [agentId],
        'query.user_id': [userId],
      },
    });
    expect(report).toMatchObject({ exitCode: 0, output: expect.stringContaining('No issues found') });
  },
);
