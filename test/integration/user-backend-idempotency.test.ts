import { randomUUID } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { useUserBackend, type UserApi } from '../support/backends.ts';
import { one, useRig } from '../support/rig.ts';

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

const countInstances = async (): Promise<number> => {
  const { rows } = await rig.pool.query<{ count: string }>('select count(*) from instances where user_id = $1', [
    userId,
  ]);
  return Number(one(rows).count);
};

describe('an idempotency key', () => {
  const keyed = (json: object, key = 'a key') =>
    api('POST', '/v1/instances', { json: { agent_id: agentId, ...json }, headers: { 'idempotency-key': key } });

  test('makes a repeat harmless: one instance, the same answer, also after it was changed and deleted', async () => {
    const first = await keyed({ config: { a: [1.5, { b: null }] } });
    expect(first.headers.has('idempotency-replayed')).toBe(false);
    const path = `/v1/instances/${String(first.body['id'])}`;
    await api('POST', `${path}/stop`);
    await api('DELETE', path);
    const again = await keyed({ config: { a: [1.5, { b: null }] } });
    expect(again).toMatchObject({ status: 201, body: first.body });
    expect(again.headers.get('location')).toBe(path);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await countInstances()).toBe(0);
  });

  test('gives an answer again that was stored before there were hosts, or versions', async () => {
    const first = await keyed({});
    await rig.pool.query("update idempotency_keys set response = response - 'host_id' where user_id = $1", [userId]);
    expect(await keyed({})).toMatchObject({ status: 201, body: { ...first.body, host_id: null } });
    await rig.pool.query(
      `update idempotency_keys set response = response - array['running_version', 'stable_version', 'version_policy', 'outdated']
       where user_id = $1`,
      [userId],
    );
    const lacking = {
      host_id: null,
      running_version: null,
      stable_version: null,
      version_policy: 'follow',
      outdated: false,
    };
    expect(await keyed({})).toMatchObject({ status: 201, body: { ...first.body, ...lacking } });
  });

  test('of ten requests at once lets one create, and gives all the same answer', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => keyed({})));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(answers.filter(({ headers }) => !headers.has('idempotency-replayed'))).toHaveLength(1);
    expect(await countInstances()).toBe(1);
  });

  test('is for one body: the same JSON may be written otherwise, another is refused', async () => {
    const first = await keyed({ config: { a: 1, b: 2 } });
    const body = `{ "config": {"b":2,"a":1}, "agent_id": "${agentId}" }`;
    const other = await api('POST', '/v1/instances', { body, headers: { 'idempotency-key': 'a key' } });
    expect(other.body['id']).toBe(first.body['id']);
    for (const json of [{ config: { a: 2 } }, { config: { a: 1, b: 2 }, desired_state: 'stopped' }]) {
      expect(await keyed(json)).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
    }
    expect(await countInstances()).toBe(1);
  });

  test('is free again after a refusal, and belongs to its user', async () => {
    expect(await keyed({ agent_id: randomUUID() })).toMatchObject({ status: 422, body: { code: 'agent_unknown' } });
    const mine = await keyed({});
    expect(mine.status).toBe(201);
    const other = await backend.user();
    const theirs = await other.api('POST', '/v1/instances', {
      json: { agent_id: agentId },
      headers: { 'idempotency-key': 'a key' },
    });
    expect(theirs.body['id']).not.toBe(mine.body['id']);
  });

  test('counts for 24 hours, and is then removed', async () => {
    const first = await keyed({});
    await keyed({}, 'another key');
    await rig.pool.query(`update idempotency_keys set created_at = now() - interval '25 hours' where user_id = $1`, [
      userId,
    ]);
    const second = await keyed({});
    expect(second.body['id']).not.toBe(first.body['id']);
    const { rows } = await rig.pool.query('select key from idempotency_keys where user_id = $1', [userId]);
    expect(rows).toEqual([{ key: 'a key' }]);
  });

  test('is kept without the config', async () => {
    await keyed({ config: { password: 'hunter2' } });
    const { rows } = await rig.pool.query('select k::text from idempotency_keys k where user_id = $1', [userId]);
    expect(JSON.stringify(rows)).not.toContain('hunter2');
  });

  test.each(['', 'x'.repeat(256), 'ü'])('cannot be %j', async (key) => {
    const answer = await keyed({}, key);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });
});
