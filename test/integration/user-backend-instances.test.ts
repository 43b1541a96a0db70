import { randomUUID } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { useUserBackend, type UserApi } from '../support/backends.ts';
import type { Answer } from '../support/documented-api.ts';
import { one, useRig } from '../support/rig.ts';

/** Without the engine: what the table says is what is asked for here. */
const rig = useRig();
const backend = useUserBackend(rig);
let agentId: string;
let api: UserApi;
let userId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
});
beforeEach(async () => {
  ({ api, userId } = await backend.user());
});

const post = (json: object) => api('POST', '/v1/instances', { json });
const create = async (json: object = {}): Promise<string> =>
  String((await post({ agent_id: agentId, ...json })).body['id']);
const countInstances = async (): Promise<number> => {
  const { rows } = await rig.pool.query<{ count: string }>('select count(*) from instances where user_id = $1', [
    userId,
  ]);
  return Number(one(rows).count);
};

describe('the list of instances', () => {
  interface Listed {
    instances: { id: string; user_id: string; status: string; config?: unknown }[];
    next_cursor: string | null;
  }
  const list = async (query: string, as = api): Promise<Listed> =>
    (await as('GET', `/v1/instances?${query}`)).body as unknown as Listed;
  const ids = ({ instances }: Listed): string[] => instances.map(({ id }) => id);

  test('comes page by page, the newest first, complete and without repeats while others are created', async () => {
    const { rows } = await rig.pool.query<{ id: string }>(
      'insert into instances (agent_id, user_id) select $1, $2 from generate_series(1, 25) returning id',
      [agentId, userId],
    );
    const before = rows.map(({ id }) => id);
    const seen: string[] = [];
    let cursor: string | null = '';
    let pages = 0;
    while (cursor !== null) {
      const page = await list(`limit=7${cursor && `&cursor=${cursor}`}`);
      seen.push(...ids(page));
      cursor = page.next_cursor;
      pages += 1;
      await create();
    }
    expect(pages).toBe(4);
    expect(seen.toSorted()).toEqual(before.toSorted());
    const newest = ids(await list('limit=200'));
    expect(newest).toHaveLength(29);
    expect(newest.slice(4)).toEqual(seen);
  });

  test('tells instances of one microsecond apart', async () => {
    const { rows } = await rig.pool.query<{ id: string }>(
      'insert into instances (agent_id, user_id) select $1, $2 from generate_series(1, 5) returning id',
      [agentId, userId],
    );
    await rig.pool.query(
      `begin; set local session_replication_role = replica;
       update instances set created_at = '2026-01-01 00:00:00.123456Z' where user_id = '${userId}'; commit`,
    );
    const seen: string[] = [];
    for (let page = await list('limit=1'); ; page = await list(`limit=1&cursor=${page.next_cursor}`)) {
      seen.push(...ids(page));
      if (page.next_cursor === null) break;
    }
    expect(seen).toEqual(
      rows
        .map(({ id }) => id)
        .toSorted()
        .toReversed(),
    );
  });

  test('can be filtered, by all at once, and leaves configs out', async () => {
    const otherAgent = await rig.publishAgent();
    const [a, b] = [await create({ config: { a: 1 } }), await create({ agent_id: otherAgent })];
    await rig.pool.query(`select record_instance_status($1, 'running', 1, null, null)`, [a]);
    expect(ids(await list('status=running'))).toEqual([a]);
    expect(ids(await list('status=failed'))).toEqual([]);
    expect(ids(await list(`agent_id=${otherAgent}`))).toEqual([b]);
    expect(ids(await list(`status=running&agent_id=${otherAgent}`))).toEqual([]);
    const all = await list(`user_id=${userId.toUpperCase()}`);
    expect(ids(all)).toEqual([b, a]);
    expect(all.instances.some((instance) => 'config' in instance)).toBe(false);
  });

  test("shows users their own, and admins everybody's", async () => {
    const mine = await create();
    const other = await backend.user();
    expect(ids(await list('', other.api))).toEqual([]);
    expect(await other.api('GET', `/v1/instances?user_id=${userId}`)).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
    const { api: asAdmin } = await backend.admin();
    expect(ids(await list('limit=1', asAdmin))).toEqual([mine]);
    expect(ids(await list(`user_id=${other.userId}`, asAdmin))).toEqual([]);
  });

  test.each([
    'limit=0',
    'limit=201',
    'limit=1.5',
    'limit=many',
    'status=lost',
    'agent_id=1',
    'cursor=x',
    'state=running',
  ])('is not had by %s', async (query) => {
    const answer = await api('GET', `/v1/instances?${query}`);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(answer.body['detail']).toContain('query');
  });
});

describe('a change', () => {
  const change = (id: string, json: unknown) => api('PATCH', `/v1/instances/${id}`, { json });

  test('sets what it names and leaves the rest', async () => {
    const id = await create({ config: { a: 1 } });
    expect((await change(id, { config: { b: 2 } })).body).toMatchObject({ config: { b: 2 }, generation: 2 });
    expect((await change(id, { desired_state: 'stopped' })).body).toMatchObject({
      config: { b: 2 },
      desired_state: 'stopped',
      generation: 3,
      status: 'pending',
    });
    const same = await change(id, { config: { b: 2 }, agent_id: agentId.toUpperCase() });
    expect(same).toMatchObject({ status: 200, body: { generation: 3, sequence: 3 } });
  });

  test.each([
    {},
    { status: 'running' },
    { config: [] },
    { config: null },
    { desired_state: 'failed' },
    { agent_id: 'x' },
    [],
  ])('cannot be %j', async (json) => {
    const answer = await change(await create(), json);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });
});

describe('what the database refuses is a problem with its sentence', () => {
  const nested = (levels: number): string => '{"a":'.repeat(levels) + '{}' + '}'.repeat(levels);
  test.each<[what: string, config: string, detail: RegExp]>([
    [
      'a number that readers would change',
      '{"a": 9007199254740993}',
      /would change: 9007199254740993\. They hold IEEE/,
    ],
    ['a number that is none to JavaScript', '{"a": 1e400}', /would change: 1000/],
    ['a number beyond those of PostgreSQL', '{"a": 1e400000}', /\./],
    ['a hundred and one levels', nested(101), /config is nested more than 100 levels deep\. Many readers/],
    ['more levels than PostgreSQL reads', nested(100_000), /stack depth/],
    ['a null character', String.raw`{"a": "\u0000"}`, /Unicode/],
    ['half a character', String.raw`{"a": "\ud800"}`, /Unicode/],
    ['more than 4 MiB', `{"a": "${'x'.repeat(4_194_304)}"}`, /larger than 4 MiB/],
  ])('%s', async (_what, config, detail) => {
    const id = await create();
    const answers: Answer[] = [
      await api('POST', '/v1/instances', { body: `{"agent_id": "${agentId}", "config": ${config}}` }),
      await api('POST', '/v1/instances', {
        body: `{"agent_id": "${agentId}", "config": ${config}}`,
        headers: { 'idempotency-key': randomUUID() },
      }),
      await api('PATCH', `/v1/instances/${id}`, { body: `{"config": ${config}}` }),
    ];
    for (const answer of answers) {
      expect(answer).toMatchObject({
        status: 422,
        body: { code: 'row_refused', detail: expect.stringMatching(detail) },
      });
    }
    expect(await countInstances()).toBe(1);
  });

  test('what it takes comes back as it was sent', async () => {
    const config =
      '{"": 1, "__proto__": {"a": 1}, "constructor": {"prototype": 1}, "n": [1e308, 5e-324, -0.1], "🤖": "שלום"}';
    const created = await api('POST', '/v1/instances', { body: `{"agent_id": "${agentId}", "config": ${config}}` });
    expect(created.status).toBe(201);
    const read = await api('GET', `/v1/instances/${String(created.body['id'])}`);
    expect(JSON.stringify(read.body['config'])).toBe(JSON.stringify(created.body['config']));
    expect(read.body['config']).toEqual(JSON.parse(config));
  });

  test('a config of nearly 4 MiB is taken', async () => {
    const created = await post({ agent_id: agentId, config: { a: 'x'.repeat(4_194_000) } });
    expect(created.status).toBe(201);
  });
});

describe('a request that is wrong', () => {
  test.each<[what: string, status: number, code: string, request: () => Promise<Answer>]>([
    ['an agent that nobody published', 422, 'agent_unknown', () => post({ agent_id: randomUUID() })],
    ['no agent', 400, 'invalid_request', () => post({})],
    ['an id that is no UUID', 400, 'invalid_request', () => api('GET', '/v1/instances/1')],
    ['a member that nobody asked for', 400, 'invalid_request', () => post({ agent_id: agentId, user_id: userId })],
    ['malformed JSON', 400, 'invalid_json_body', () => api('POST', '/v1/instances', { body: '{' })],
    ['an unknown instance', 404, 'not_found', () => api('GET', `/v1/instances/${randomUUID()}`)],
    ['an unknown agent', 404, 'not_found', () => api('GET', `/v1/agents/${randomUUID()}`)],
    ['an unknown path', 404, 'not_found', () => api('GET', '/v2/instances')],
    ['another method', 405, 'method_not_allowed', () => api('PUT', '/v1/instances')],
    ['a body of another kind', 415, 'invalid_media_type', () => api('POST', '/v1/instances', { body: '<a/>', headers: { 'content-type': 'application/xml' } })], // prettier-ignore
    ['a body that is too large', 413, 'body_too_large', () => post({ config: 'x'.repeat(6 * 1024 * 1024) })],
    ['no token', 401, 'no_token', () => backend.call('GET', '/v1/instances')],
    ['a token that is none', 401, 'invalid_token', () => backend.call('GET', '/v1/me', { token: 'x' })],
  ])('%s', async (_what, status, code, request) => {
    const answer = await request();
    expect(answer.body).toMatchObject({ type: 'about:blank', status, code });
    expect(answer.status).toBe(status);
  });
});
