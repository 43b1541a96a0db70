import { beforeAll, expect, test, vi } from 'vitest';
import { runInstances } from '../support/command-line.ts';
import { useRig } from '../support/rig.ts';

/** With the database alone: what the engine would record is recorded here. */
const rig = useRig();
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
  for (const version of ['2', '3']) {
    await rig.pool.query('update agents set version = $2 where id = $1', [agentId, version]);
  }
  await rig.pool.query(`update agent_versions set withdrawn_at = now() where agent_id = $1 and version = '3'`, [
    agentId,
  ]);
});

const run = (...args: string[]) => runInstances(args, { DATABASE_URL: rig.environment.DATABASE_URL });
const record = (id: string, status: string, generation: number) =>
  rig.pool.query('select record_instance_status($1, $2, $3, null, null)', [id, status, generation]);

test('an instance is created with a version, changed to another one, and told with both', async () => {
  const created = await run('create', agentId, '--agent-version', '2', '--version-policy', 'hold');
  expect(created).toMatchObject({ code: 0, errors: '' });
  const id = created.out.trim();
  await record(id, 'running', 1);
  expect(await run('change', id.slice(0, 13), '--agent-version', '1', '--version-policy', 'follow')).toEqual({
    code: 0,
    out: `The instance ${id} is to run version 1.\n`,
    errors: '',
  });
  const listed = JSON.parse((await run('list', '--agent', agentId, '--json')).out) as object[];
  expect(listed).toMatchObject([
    { id, agent_version: '1', running_version: '2', stable_version: '1', outdated: false, version_policy: 'follow' },
  ]);
  expect((await run('list', '--agent', agentId)).out).toContain('test 2 → 1');

  const explained = await run('explain', id, '--utc');
  const [, versions, ...timeline] = explained.out.split('\n');
  expect(versions).toBe('version 2 runs, version 1 is to run');
  expect(timeline[0]).toMatch(/agent \S+, version 2, user/);
  expect(timeline[1]).toContain('running version none → 2');
  expect(timeline[2]).toContain('agent version 2 → 1, version policy hold → follow');

  const waiting = run('change', id, '--agent-version', '2', '--version-policy', 'hold', '--timeout', '60');
  await vi.waitFor(
    async () => {
      const { rows } = await rig.pool.query('select from instances where id = $1 and generation = 3', [id]);
      expect(rows).toHaveLength(1);
    },
    { timeout: 60_000 },
  );
  await record(id, 'running', 3);
  expect(await waiting).toMatchObject({
    code: 0,
    out: `The instance ${id} is running with version 2, which rollouts leave alone.\n`,
  });
});

test('a version that cannot be run is refused with what to do', async () => {
  const { out } = await run('create', agentId);
  const advice = 'Leave --agent-version out for the stable version, or choose another one.';
  for (const [version, why] of [
    ['4', `There is no version 4 of the agent ${agentId}.`],
    ['3', `The version 3 of the agent ${agentId} is withdrawn.`],
  ] as const) {
    const refused = { code: 1, out: '', errors: `${why} ${advice}\n` };
    expect(await run('create', agentId, '--agent-version', version)).toEqual(refused);
    expect(await run('change', out.trim(), '--agent-version', version)).toEqual(refused);
  }
  expect(await run('change', out.trim())).toMatchObject({
    code: 1,
    errors: 'Nothing is to change: give --agent-version or --version-policy.\n',
  });
  expect(await run('change', out.trim(), '--version-policy', 'never')).toMatchObject({ code: 2 });
});
