import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { useAdminBackend } from '../support/admin-backend.ts';
import { useRig } from '../support/rig.ts';

/** Without the engine: what the table says is what was published. */
const rig = useRig();
const admin = useAdminBackend(rig);

interface Version {
  version: string;
  capabilities: string[];
}

const runtime = (command: string) => ({ kind: 'process', command: [command] });
const publishAgent = async (): Promise<string> => {
  const json = { name: 'echo', version: '1', capabilities: ['chat'], runtime: runtime('one') };
  return (await admin.call<{ id: string }>('/v1/agents', { method: 'POST', json })).body.id;
};
const publish = (id: string, json: object) =>
  admin.call<Version & { code?: string }>(`/v1/agents/${id}/versions`, { method: 'POST', json });
const list = async (id: string) =>
  (await admin.call<{ versions: Version[] }>(`/v1/agents/${id}/versions`)).body.versions;
const withdraw = (id: string, version: string) =>
  rig.pool.query(
    `update agent_versions set withdrawn_at = now(), withdrawn_reason = 'It crashes.' where agent_id = $1 and version = $2`,
    [id, version],
  );

describe('a version', () => {
  test('is published once, and is listed with who has it and who runs it', async () => {
    const id = await publishAgent();
    const instance = await rig.insertInstance(id);
    await rig.pool.query(`select record_instance_status($1, 'running', 1, null, null)`, [instance]);
    const body = { version: '2', runtime: { ...runtime('two'), environment: { SECRET: 'hunter2' } } };
    const second = {
      version: '2',
      capabilities: ['chat'],
      published_at: expect.stringMatching(/Z$/),
      withdrawn_at: null,
      withdrawn_reason: null,
      is_newest: true,
      is_stable: false,
      instances: 0,
      running: 0,
    };
    expect(await publish(id, body)).toMatchObject({ status: 201, body: second });
    await rig.pool.query(`update instances set agent_version = '2' where id = $1`, [instance]);
    const shown = { ...second, instances: 1 };
    expect(await publish(id, body)).toMatchObject({ status: 200, body: shown });
    const versions = await list(id);
    expect(versions).toEqual([
      shown,
      { ...second, version: '1', is_newest: false, is_stable: true, instances: 0, running: 1 },
    ]);
    expect(JSON.stringify(versions)).not.toContain('hunter2');
    const { rows } = await rig.pool.query('select from event_log where entity_id = $1', [id]);
    expect(rows).toHaveLength(2);
    expect((await admin.call(`/v1/agents/${id.toUpperCase()}`)).body).toMatchObject({
      version: '2',
      stable_version: '1',
      rollout: null,
      runtime: body.runtime,
    });
  });

  test('is the same after others were published, with the capabilities that it has', async () => {
    const id = await publishAgent();
    expect(await publish(id, { version: '2', capabilities: ['search'], runtime: runtime('two') })).toMatchObject({
      status: 201,
    });
    expect(await publish(id, { version: '1', runtime: runtime('one') })).toMatchObject({
      status: 200,
      body: { version: '1', capabilities: ['chat'], is_newest: false },
    });
    expect(await publish(id, { version: '3', runtime: runtime('three') })).toMatchObject({
      body: { capabilities: ['search'] },
    });
    expect((await list(id)).map(({ version }) => version)).toEqual(['3', '2', '1']);
  });

  test('is refused with other content, also where it is the newest one', async () => {
    const id = await publishAgent();
    await publish(id, { version: '2', runtime: runtime('two') });
    for (const json of [
      { version: '1', runtime: runtime('another') },
      { version: '2', runtime: runtime('another') },
      { version: '2', runtime: runtime('two'), capabilities: [] },
    ]) {
      expect(await publish(id, json)).toMatchObject({
        status: 409,
        body: {
          code: 'version_exists',
          detail:
            'This version was published before with another runtime or other capabilities. Publish them under another version.',
        },
      });
    }
    expect(await list(id)).toHaveLength(2);
  });

  test('is refused once it is withdrawn, and is listed with why', async () => {
    const id = await publishAgent();
    for (const version of ['2', '3']) await publish(id, { version, runtime: runtime(version) });
    for (const version of ['2', '3']) await withdraw(id, version);
    for (const version of ['2', '3']) {
      expect(await publish(id, { version, runtime: runtime(version) })).toMatchObject({
        status: 409,
        body: { code: 'version_withdrawn' },
      });
    }
    expect(await list(id)).toMatchObject([
      { version: '3', is_newest: true, withdrawn_at: expect.stringMatching(/Z$/), withdrawn_reason: 'It crashes.' },
      { version: '2' },
      { version: '1', withdrawn_at: null, withdrawn_reason: null },
    ]);
    const back = { json: { version: '2', runtime: runtime('2') }, method: 'PATCH' };
    expect(await admin.call(`/v1/agents/${id}`, back)).toMatchObject({
      status: 409,
      body: { code: 'version_withdrawn' },
    });
  });

  test('that two publish at the same time is new for one of them', async () => {
    const id = await publishAgent();
    const json = { version: '2', runtime: runtime('two') };
    const answers = await Promise.all(Array.from({ length: 5 }, () => publish(id, json)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(4);
  });

  test.each<[string, object, number, string]>([
    ['no runtime', { version: '2' }, 400, 'invalid_request'],
    ['a runtime of no kind', { version: '2', runtime: { kind: 'ship' } }, 400, 'invalid_request'],
    ['an empty version', { version: '', runtime: runtime('a') }, 400, 'invalid_request'],
    ['a name', { version: '2', name: 'b', runtime: runtime('a') }, 400, 'invalid_request'],
    ['a version that is too long', { version: 'ä'.repeat(513), runtime: runtime('a') }, 422, 'version_too_long'],
    ['a NUL', { version: 'a\u0000b', runtime: runtime('a') }, 422, 'row_refused'],
  ])('is refused with %s', async (_, json, status, code) => {
    const id = await publishAgent();
    expect(await publish(id, json)).toMatchObject({ status, body: { code } });
    expect(await list(id)).toHaveLength(1);
  });

  test('needs an agent', async () => {
    const id = randomUUID();
    const missing = { status: 404, body: { code: 'not_found' } };
    expect(await publish(id, { version: '2', runtime: runtime('a') })).toMatchObject(missing);
    expect(await admin.call(`/v1/agents/${id}/versions`)).toMatchObject(missing);
  });
});
