import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startUserBackend, useUserBackend, type UserApi } from '../support/backends.ts';
import { useRig } from '../support/rig.ts';

/** Without the engine: what the table says is what is asked for here. */
const rig = useRig();
const backend = useUserBackend(rig);
let agentId: string;
let api: UserApi;

/** An agent with the versions 1 to 3, of which 1 is the stable one and 2 is withdrawn. */
const publishThree = async (): Promise<string> => {
  const id = await rig.publishAgent({ environment: { SECRET: 'hunter2' } });
  for (const version of ['2', '3']) await rig.pool.query('update agents set version = $2 where id = $1', [id, version]);
  await rig.pool.query(`update agent_versions set withdrawn_at = now() where agent_id = $1 and version = '2'`, [id]);
  return id;
};
beforeAll(async () => {
  agentId = await publishThree();
});
beforeEach(async () => {
  ({ api } = await backend.user());
});

const create = (json: object = {}) => api('POST', '/v1/instances', { json: { agent_id: agentId, ...json } });
const change = (id: unknown, json: object) => api('PATCH', `/v1/instances/${String(id)}`, { json });

describe('the version of an instance', () => {
  test('is the stable one, or the one that was asked for', async () => {
    const plain = await create();
    expect(plain).toMatchObject({
      status: 201,
      body: {
        agent_version: '1',
        running_version: null,
        stable_version: '1',
        version_policy: 'follow',
        outdated: false,
      },
    });
    const chosen = await create({ agent_version: '3', version_policy: 'hold' });
    expect(chosen).toMatchObject({
      status: 201,
      body: { agent_version: '3', stable_version: '1', version_policy: 'hold', outdated: true },
    });
    expect(await api('GET', `/v1/instances/${String(chosen.body['id'])}`)).toMatchObject({ body: chosen.body });
    const { body } = await api('GET', '/v1/instances');
    expect(body['instances']).toMatchObject([{ agent_version: '3' }, { agent_version: '1' }]);
    expect(JSON.stringify([plain, chosen, body])).not.toContain('hunter2');
  });

  test('changes with a generation, and its policy without one', async () => {
    const { id } = (await create()).body;
    expect(await change(id, { agent_version: '3' })).toMatchObject({
      status: 200,
      body: { agent_version: '3', outdated: true, generation: 2 },
    });
    expect(await change(id, { version_policy: 'hold' })).toMatchObject({
      status: 200,
      body: { agent_version: '3', version_policy: 'hold', generation: 2, sequence: 3 },
    });
    expect(await change(id, { config: {} })).toMatchObject({ body: { agent_version: '3', version_policy: 'hold' } });
  });

  test('is one of the new agent where the agent changes, also of the name of the one before', async () => {
    const other = await rig.publishAgent();
    await rig.pool.query(`update agents set version = '3' where id = $1`, [other]);
    const ids = await Promise.all(
      ['3', '3', '3'].map(async (version) => (await create({ agent_version: version })).body['id']),
    );
    expect(await change(ids[0], { agent_id: other })).toMatchObject({ body: { agent_id: other, agent_version: '1' } });
    expect(await change(ids[1], { agent_id: other, agent_version: '3' })).toMatchObject({
      body: { agent_id: other, agent_version: '3' },
    });
    expect(await change(ids[2], { agent_id: other, agent_version: '4' })).toMatchObject({
      status: 422,
      body: { code: 'agent_version_unknown' },
    });
    expect(await api('GET', `/v1/instances/${String(ids[2])}`)).toMatchObject({
      body: { agent_id: agentId, agent_version: '3' },
    });
  });

  test.each([
    ['4', 'agent_version_unknown', 'The agent has no such version. Leave agent_version out for its stable version.'],
    ['a\u0000b', 'row_refused', expect.any(String)],
    [
      '2',
      'agent_version_withdrawn',
      'This version of the agent was withdrawn. Leave agent_version out for its stable version.',
    ],
  ])('is refused where it cannot be run: %j', async (version, code, detail) => {
    const { id } = (await create()).body;
    const refused = { status: 422, body: { code, detail } };
    expect(await create({ agent_version: version })).toMatchObject(refused);
    expect(await change(id, { agent_version: version })).toMatchObject(refused);
  });

  test.each([{ agent_version: '' }, { agent_version: null }, { version_policy: 'never' }, { running_version: '1' }])(
    'is of the documented form: %j',
    async (json) => {
      const { id } = (await create()).body;
      const refused = { status: 400, body: { code: 'invalid_request' } };
      expect([await create(json), await change(id, json)]).toMatchObject([refused, refused]);
    },
  );

  test('is the business of its owner and of admins alone', async () => {
    const { id } = (await create()).body;
    const [other, admin] = [await backend.user(), await backend.admin()];
    const update = { json: { agent_version: '3', version_policy: 'hold' } };
    expect(await other.api('PATCH', `/v1/instances/${String(id)}`, update)).toMatchObject({ status: 404 });
    expect(await admin.api('PATCH', `/v1/instances/${String(id)}`, update)).toMatchObject({
      body: { agent_version: '3', version_policy: 'hold' },
    });
  });
});

test('the list of agents tells the newest and the stable version of each', async () => {
  // It reads the agents when it starts, and no event tells of another one here.
  const late = await startUserBackend(rig);
  const { body } = await (await late.user()).api('GET', '/v1/agents');
  await late.stop();
  expect(body['agents']).toContainEqual(expect.objectContaining({ id: agentId, version: '3', stable_version: '1' }));
});
