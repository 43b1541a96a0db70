import { randomUUID } from 'node:crypto';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { useAdminBackend } from '../support/admin-backend.ts';
import { useUserBackend, type UserApi } from '../support/backends.ts';
import { runInstances } from '../support/command-line.ts';
import { useRig } from '../support/rig.ts';

/** How an admin limits the number of instances over HTTP and on the command line, and what a user is told. */
const rig = useRig();
const admin = useAdminBackend(rig);
const backend = useUserBackend(rig);
let agentId: string;
let api: UserApi;
let userId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
});
beforeEach(async () => {
  ({ api, userId } = await backend.user());
  await rig.pool.query('delete from instance_limits');
});

const put = (path: string, json: object) => admin.call(`/v1/limits/${path}`, { method: 'PUT', json });
const remove = (path: string) => admin.call(`/v1/limits/${path}`, { method: 'DELETE' });
const create = (headers: Record<string, string> = {}) =>
  api('POST', '/v1/instances', { json: { agent_id: agentId }, headers });
const run = (...args: string[]) => runInstances(['limits', ...args], { DATABASE_URL: rig.environment.DATABASE_URL });

test('a user who has as many instances as allowed is refused until the limit is raised, also with the same key', async () => {
  expect((await api('GET', '/v1/me')).body['instance_limit']).toBeNull();
  expect(await put(`user/${userId}`, { at_most: 1 })).toMatchObject({
    status: 200,
    body: { scope: 'user', subject: userId, at_most: 1 },
  });
  expect(await create()).toMatchObject({ status: 201 });
  expect((await api('GET', '/v1/me')).body['instance_limit']).toEqual({ at_most: 1, present: 1 });
  const key = { 'idempotency-key': randomUUID() };
  expect(await create(key)).toMatchObject({
    status: 409,
    body: {
      code: 'user_limit_reached',
      detail: `The user ${userId} may have 1 instance at most. Delete instances, or have an administrator raise the limit.`,
    },
  });
  await put(`user/${userId}`, { at_most: 2 });
  expect(await create(key)).toMatchObject({ status: 201, headers: expect.anything() });
});

test('a limit of an agent is told as one of the agent', async () => {
  await put(`agent/${agentId}`, { at_most: 0 });
  expect(await create()).toMatchObject({ status: 409, body: { code: 'agent_limit_reached' } });
  const other = await rig.publishAgent();
  const { body } = await api('POST', '/v1/instances', { json: { agent_id: other } });
  expect(await api('PATCH', `/v1/instances/${String(body['id'])}`, { json: { agent_id: agentId } })).toMatchObject({
    status: 409,
    body: { code: 'agent_limit_reached' },
  });
  expect(await remove(`agent/${agentId}`)).toMatchObject({ status: 200, body: { at_most: 0 } });
  expect(await remove(`agent/${agentId}`)).toMatchObject({ status: 404 });
  expect(await create()).toMatchObject({ status: 201 });
});

test('limits are listed page by page, and the one of all others cannot be none', async () => {
  await put('user/default', { at_most: 5 });
  await put(`user/${userId.toUpperCase()}`, { at_most: null });
  expect(await put('user/default', { at_most: null })).toMatchObject({ status: 422, body: { code: 'limit_missing' } });
  expect(await put(`user/${userId}`, { at_most: -1 })).toMatchObject({ status: 400 });
  const nil = '00000000-0000-0000-0000-000000000000';
  expect(await put(`user/${nil}`, { at_most: 9 })).toMatchObject({ status: 400 });
  expect(await remove(`user/${nil}`)).toMatchObject({ status: 400 });
  const first = await admin.call<{ limits: object[]; next_cursor: string }>('/v1/limits?limit=1');
  expect(first.body).toMatchObject({
    limits: [{ scope: 'user', subject: null, at_most: 5 }],
    next_cursor: 'user/default',
  });
  const second = await admin.call(`/v1/limits?limit=1&cursor=${encodeURIComponent(first.body.next_cursor)}`);
  expect(second.body).toMatchObject({ limits: [{ scope: 'user', subject: userId, at_most: null }], next_cursor: null });
  expect(await admin.call('/v1/limits?scope=agent')).toMatchObject({ body: { limits: [], next_cursor: null } });
});

test('the command line sets, lists and removes limits', async () => {
  expect(await run('list')).toEqual({ code: 0, out: '', errors: 'No limit is set.\n' });
  expect(await run('set', 'user', 'default', '20')).toMatchObject({
    code: 0,
    out: 'Each user without a limit of its own may have at most 20 instances.\n',
  });
  expect(await run('set', 'user', userId, 'none')).toMatchObject({
    out: `The user ${userId} may have any number of instances.\n`,
  });
  expect(await run('set', 'agent', agentId, '1')).toMatchObject({
    out: `The agent ${agentId} may have at most 1 instance.\n`,
  });
  const { out } = await run('list', '--utc');
  expect(out.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^SCOPE +SUBJECT +AT MOST +SET$/),
    expect.stringMatching(new RegExp(`^agent +${agentId} +1 +\\S+Z$`)),
    expect.stringMatching(/^user +default +20 +\S+Z$/),
    expect.stringMatching(new RegExp(`^user +${userId} +none +\\S+Z$`)),
  ]);
  expect(await run('remove', 'agent', agentId)).toMatchObject({ code: 0 });
  expect(await run('remove', 'agent', agentId)).toMatchObject({
    code: 1,
    errors: `The agent ${agentId} had no limit. See npx instances limits list.\n`,
  });
  for (const wrong of [
    ['set', 'user', 'default', 'none'],
    ['set', 'user', 'me', '1'],
    ['set', 'user', 'default', '-1'],
    ['set', 'user', '00000000-0000-0000-0000-000000000000', '1'],
    ['remove', 'agent', '00000000-0000-0000-0000-000000000000'],
  ]) {
    expect(await run(...wrong)).toMatchObject({ code: expect.any(Number), out: '' });
    expect((await run(...wrong)).code).not.toBe(0);
  }
});
