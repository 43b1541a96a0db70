import { randomUUID } from 'node:crypto';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { OpenAPIV3_1 } from 'openapi-types';
import { beforeAll, expect, test } from 'vitest';
import { useAdminBackend } from '../support/admin-backend.ts';
import { useRig } from '../support/rig.ts';
import { signToken } from '../support/tokens.ts';

const rig = useRig();
const admin = useAdminBackend(rig);
let document: OpenAPIV3_1.Document;

beforeAll(async () => {
  document = (await admin.call<OpenAPIV3_1.Document>('/openapi.json', { token: null })).body;
});

const id = randomUUID();
const agent = { id, name: 'a', version: '1', runtime: { kind: 'process', command: ['true'] } };

const noLetter = '/v1/dead-letters/agents_worker.agent.dead/0123456789abcdef';

const rollout = `/v1/rollouts/${randomUUID()}`;

const deployment = `/v1/deployments/${randomUUID()}`;

const userLimit = `/v1/limits/user/${randomUUID()}`;

const noHost = `/v1/hosts/${randomUUID()}`;

interface Route {
  route: string;
  path: string;
  json?: object;
  /** What an admin is answered. */
  status: number;
}

/** Every route but the public document, in an order in which all have something to work on. */
const routes: Route[] = [
  { route: 'post /v1/agents', path: '/v1/agents', json: agent, status: 201 },
  { route: 'get /v1/agents', path: '/v1/agents', status: 200 },
  { route: 'get /v1/agents/{id}', path: `/v1/agents/${id}`, status: 200 },
  { route: 'patch /v1/agents/{id}', path: `/v1/agents/${id}`, json: { version: '2' }, status: 200 },
  { route: 'get /v1/agents/{id}/versions', path: `/v1/agents/${id}/versions`, status: 200 },
  {
    route: 'post /v1/agents/{id}/versions',
    path: `/v1/agents/${id}/versions`,
    json: { version: '3', runtime: agent.runtime },
    status: 201,
  },
  { route: 'post /v1/agents/{id}/rollouts', path: `/v1/agents/${id}/rollouts`, json: { version: '3' }, status: 201 },
  { route: 'get /v1/agents/{id}/rollouts', path: `/v1/agents/${id}/rollouts`, status: 200 },
  { route: 'get /v1/rollouts', path: '/v1/rollouts', status: 200 },
  { route: 'get /v1/rollouts/{id}', path: rollout, status: 404 },
  { route: 'get /v1/rollouts/{id}/instances', path: `${rollout}/instances`, status: 404 },
  { route: 'post /v1/rollouts/{id}/pause', path: `${rollout}/pause`, status: 404 },
  { route: 'post /v1/rollouts/{id}/resume', path: `${rollout}/resume`, status: 404 },
  { route: 'post /v1/rollouts/{id}/promote', path: `${rollout}/promote`, status: 404 },
  { route: 'post /v1/rollouts/{id}/abort', path: `${rollout}/abort`, status: 404 },
  {
    route: 'post /v1/deployments',
    path: '/v1/deployments',
    json: { deployment_name: 'nobody', build_id: '1' },
    status: 404,
  },
  { route: 'get /v1/deployments', path: '/v1/deployments', status: 200 },
  { route: 'get /v1/deployments/{id}', path: deployment, status: 404 },
  { route: 'get /v1/deployments/{id}/instances', path: `${deployment}/instances`, status: 404 },
  { route: 'post /v1/deployments/{id}/pause', path: `${deployment}/pause`, status: 404 },
  { route: 'post /v1/deployments/{id}/resume', path: `${deployment}/resume`, status: 404 },
  { route: 'post /v1/deployments/{id}/promote', path: `${deployment}/promote`, status: 404 },
  { route: 'post /v1/deployments/{id}/rollback', path: `${deployment}/rollback`, status: 404 },
  { route: 'post /v1/deployments/{id}/abort', path: `${deployment}/abort`, status: 404 },
  { route: 'get /v1/builds', path: '/v1/builds', status: 200 },
  { route: 'post /v1/agents/{id}/retire', path: `/v1/agents/${id}/retire`, json: {}, status: 200 },
  { route: 'post /v1/agents/{id}/publish', path: `/v1/agents/${id}/publish`, status: 200 },
  { route: 'get /v1/audit', path: '/v1/audit', status: 200 },
  { route: 'get /v1/dead-letters', path: '/v1/dead-letters', status: 200 },
  { route: 'get /v1/dead-letters/{queue}/{letter_id}', path: noLetter, status: 404 },
  { route: 'post /v1/dead-letters/{queue}/{letter_id}/send', path: `${noLetter}/send`, status: 404 },
  { route: 'get /v1/hosts', path: '/v1/hosts', status: 200 },
  { route: 'post /v1/hosts/{id}/drain', path: `${noHost}/drain`, json: {}, status: 404 },
  { route: 'post /v1/hosts/{id}/undrain', path: `${noHost}/undrain`, status: 404 },
  { route: 'delete /v1/hosts/{id}', path: noHost, status: 404 },
  { route: 'get /v1/limits', path: '/v1/limits', status: 200 },
  { route: 'put /v1/limits/{scope}/{subject}', path: userLimit, json: { at_most: 1 }, status: 200 },
  { route: 'delete /v1/limits/{scope}/{subject}', path: userLimit, status: 200 },
  { route: 'get /v1/audit/verification', path: '/v1/audit/verification', status: 200 },
];

test('the table has every route of the document', () => {
  const documented = Object.entries(document.paths ?? {}).flatMap(([path, operations]) =>
    Object.keys(operations ?? {}).map((method) => `${method} ${path}`),
  );
  expect(documented.toSorted()).toEqual(routes.map(({ route }) => route).toSorted());
});

test.each(routes)('$route is for admins alone', async ({ route, path, json, status }) => {
  const method = (route.split(' ')[0] ?? '').toUpperCase();
  const as = (token: string | null) => admin.call(path, { method, json, token });
  const [user, otherKey, expired] = await Promise.all([
    signToken({ userId: randomUUID(), roles: ['user'] }),
    signToken({ userId: randomUUID(), roles: ['admin'], secret: 'another-secret-0123456789-abcdefghij' }),
    signToken({ userId: randomUUID(), roles: ['admin'], expiresIn: '-1 h' }),
  ]);
  expect(await as(null)).toMatchObject({ status: 401, body: { code: 'no_token' } });
  expect(await as(otherKey)).toMatchObject({ status: 401, body: { code: 'invalid_token' } });
  expect(await as(expired)).toMatchObject({ status: 401, body: { code: 'invalid_token' } });
  expect(await as(user)).toMatchObject({ status: 403, body: { code: 'forbidden' } });

  const answer = await admin.call(path, { method, json });
  expect([answer.status, answer.body]).toEqual([status, expect.anything()]);
  expect(problemsOf(route, answer)).toEqual([]);
});

/** What is wrong with an answer by the OpenAPI document. */
function problemsOf(route: string, { status, body }: { status: number; body: unknown }): unknown {
  const [method = '', path = ''] = route.split(' ');
  const operation = (document.paths?.[path] as Record<string, OpenAPIV3_1.OperationObject> | undefined)?.[method];
  const response = operation?.responses?.[status] as OpenAPIV3_1.ResponseObject | undefined;
  const schema = response?.content?.[status < 400 ? 'application/json' : 'application/problem+json']?.schema;
  if (!schema) return `${route} documents no answer ${status}`;
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  formats.default(ajv);
  const validate = ajv.compile({ ...schema, components: document.components });
  validate(body);
  return validate.errors ?? [];
}
