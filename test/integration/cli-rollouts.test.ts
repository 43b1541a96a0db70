import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { runInstances, startInstances, type CommandResult } from '../support/command-line.ts';
import { useRig } from '../support/rig.ts';
import { createRolloutRows, type RolloutRows } from '../support/rollout-rows.ts';

/** With the database alone: what the engine would do is done here. */
const rig = useRig();

/** Each test has an agent of its own. */
let rows: RolloutRows;
let folder: string;
const opened: RolloutRows[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollouts-'));
});
beforeEach(async () => {
  rows = await createRolloutRows(rig.environment.DATABASE_URL);
  opened.push(rows);
});
afterAll(async () => {
  await Promise.all(opened.map((each) => each.close()));
  await rm(folder, { recursive: true });
});

const environment = () => ({ DATABASE_URL: rig.environment.DATABASE_URL });
const run = (...args: string[]) => runInstances(args, environment());
const rollouts = (...args: string[]) => run('rollouts', ...args);
const file = async (name: string, content: unknown): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};
const started = async (...args: string[]): Promise<string> => (await rollouts('start', ...args)).out.trim();
const strategyOf = async (id: string): Promise<object> =>
  (JSON.parse((await rollouts('show', id, '--json')).out) as { strategy: object }).strategy;
/** Waits until the command has begun a rollout of the version. */
const begun = async (version: string): Promise<string> => {
  const { agentId, pool } = rows;
  return vi.waitFor(
    async () => {
      const { rows: found } = await pool.query<{ id: string }>(
        'select id from rollouts where agent_id = $1 and version = $2 and ended_at is null',
        [agentId, version],
      );
      if (!found[0]) throw new Error('No rollout has begun.');
      return found[0].id;
    },
    { timeout: 60_000, interval: 50 },
  );
};
const complete = async (id: string): Promise<void> => {
  await rows.move(id, 1);
  for (const instance of Object.keys(await rows.outcomes(id))) await rows.run(instance);
  await rows.judge(id, { minHealthy: 0 });
  expect(await rows.complete(id)).toBe('completed');
};
const rollBack = async (id: string): Promise<void> => {
  await rows.move(id, 1);
  await rows.beginRollback(id);
  await rows.revert(id);
  await rows.recordRollout(id, 'rolled_back');
};

describe('rollouts', () => {
  test('start takes each member of the strategy as an option, which counts more than that of the file', async () => {
    const options =
      '--canary 5% --canary-matching {"tier":"trial"} --canary-one-per-user --max-parallel 3 --max-failures 0 --min-healthy 10 ' +
      '--healthy-deadline 2m --progress-deadline 1h --pause-between-waves 5s --no-auto-promote --no-auto-rollback';
    const all = await started(rows.agentId, '2', ...options.split(' '));
    expect(await strategyOf(all)).toEqual({
      canary: { percent: 5, matching: { tier: 'trial' }, one_per_user: true },
      max_parallel: { count: 3 },
      max_failures: { count: 0 },
      min_healthy_seconds: 10,
      healthy_deadline_seconds: 120,
      progress_deadline_seconds: 3_600,
      pause_between_waves_seconds: 5,
      auto_promote: false,
      auto_rollback: false,
    });
    const path = await file('strategy.json', { canary: { count: 2, one_per_user: true }, min_healthy_seconds: 1 });
    const next = ['--strategy', path, '--canary', '50%', '--on-new-version', 'queue'];
    expect(await strategyOf(await started(rows.agentId, '3', ...next))).toEqual({
      canary: { percent: 50, one_per_user: true },
      min_healthy_seconds: 1,
      on_new_version: 'queue',
    });
  });

  test('list and show tell what became of the instances, as lines and as JSON', async () => {
    const [first = ''] = await rows.insertRunning(2);
    const id = await started(rows.agentId, '2');
    await rows.move(id, 1, { canary: {}, limit: 1 });
    await rows.fail(first);
    await rows.judge(id);
    await rows.recordRollout(id, 'paused', { holds: true });
    const [head, line] = (await rollouts('list', rows.agentId, '--utc')).out.split('\n');
    expect(head).toMatch(/^ID +AGENT +VERSION +STATUS +WAVE +MOVED +FAILED +REQUESTED +REASON$/);
    expect(line).toMatch(new RegExp(`^${id} +echo +2 +paused +1 +1/2 +1 +\\S+Z +canary_failed$`));
    expect(JSON.parse((await rollouts('list', rows.agentId, '--status', 'paused', '--json')).out)).toMatchObject([
      { id, requested_by: expect.stringMatching(/^command line/) as string },
    ]);
    expect(await rollouts('list', rows.agentId, '--status', 'completed')).toMatchObject({
      code: 0,
      out: '',
      errors: expect.stringMatching(/^There is no such rollout/) as string,
    });

    const { out } = await rollouts('show', id.slice(0, 13));
    expect(out).toMatch(new RegExp(`^Rollout ${id} of echo 2, requested .* by command line`));
    expect(out).toContain('It is paused in wave 1: 1 of 2 instances moved, 0 healthy, 1 failed. Because.\n');
    expect(out).toMatch(/\n1 \(canary\) .* 1 +0 +0 +1 +0 +0 +0\n/);
    expect(out).toContain(`Failed:\n${first}  It ended with code 1.\n`);
    expect(JSON.parse((await rollouts('show', rows.agentId, '--json')).out)).toMatchObject({
      id,
      waves: [{ wave: 1, is_canary: true, failed: 1 }],
      failed_instances: [{ instance_id: first, outcome: 'failed' }],
    });
    // Also of those that have gone back since.
    await rows.beginRollback(id);
    await rows.revert(id);
    expect(JSON.parse((await rollouts('show', rows.agentId, '--json')).out)).toMatchObject({
      waves: [{ failed: 0, reverted: 1 }],
      failed_instances: [{ instance_id: first, outcome: 'reverted', message: 'It ended with code 1.' }],
    });
  });

  test('watch ends with the rollout, and its exit code says how that ended', async () => {
    await rows.insertRunning(2);
    const one = await started(rows.agentId, '2');
    const waiting = rollouts('watch', one);
    await complete(one);
    expect(await waiting).toMatchObject({
      code: 0,
      out: `The rollout ${one} has ended. It is completed in wave 1: 2 of 2 instances moved, 2 healthy, 0 failed.\n`,
      errors: expect.stringContaining(`Watching the rollout ${one}.`) as string,
    });
    const two = await started(rows.agentId, '3');
    await rollBack(two);
    expect(await rollouts('watch', rows.agentId, '--json')).toMatchObject({
      code: 3,
      out: expect.stringContaining('"status": "rolled_back"') as string,
      errors: expect.stringMatching(/It is rolled back in wave 1: .*, 2 reverted\. It fails\.|Because\./) as string,
    });
  });

  test('start with --wait tells the progress, and gives up at its time without touching the rollout', async () => {
    await rows.insertRunning(1);
    const command = startInstances(['rollouts', 'start', rows.agentId, '2', '--wait'], environment());
    const told = (words: string) => vi.waitFor(() => expect(command.errors()).toContain(words), { timeout: 60_000 });
    await told('It is requested: 0 of 0 instances moved, 0 healthy, 0 failed.\n');
    const id = await begun('2');
    await rows.move(id, 1);
    await told('It is progressing in wave 1: 1 of 1 instances moved, 0 healthy, 0 failed.\n');
    const { code, errors, out } = await rollouts('watch', id, '--timeout', '0.3s');
    expect([code, out]).toEqual([4, '']);
    expect(errors).toMatch(/has not ended after 0\.3 s\. It is progressing .*\. It goes on\.\n$/);
    expect(await rows.rollout(id)).toMatchObject({ status: 'progressing', desired_state: 'running' });
    await complete(id);
    expect(await command.exit).toBe(0);
  });

  test('pause, resume, promote and abort say what is asked for, also by the agent', async () => {
    const id = await started(rows.agentId, '2');
    for (const [action, says, state] of [
      ['pause', 'The rollout is to pause. It is requested: ', { desired_state: 'paused' }],
      ['resume', 'The rollout is to go on. ', { desired_state: 'running' }],
      ['promote', 'The rollout may go on after its canary. ', { promoted: true }],
      ['abort', 'The rollout is to be aborted. ', { desired_state: 'aborted' }],
    ] as const) {
      const { code, out } = await rollouts(action, action === 'pause' ? rows.agentId : id.slice(0, 13));
      expect(code).toBe(0);
      expect(out.startsWith(says)).toBe(true);
      const { rows: found } = await rows.pool.query('select desired_state, promoted from rollouts where id = $1', [id]);
      expect(found).toMatchObject([state]);
    }
    await rows.recordRollout(id, 'aborted', { code: 'aborted' });
    expect(await rollouts('resume', id)).toEqual({
      code: 1,
      out: '',
      errors: 'The rollout has ended already: its status is aborted. Begin another one.\n',
    });
  });

  test('what cannot be followed is refused with what to do', async () => {
    const refused = (errors: RegExp, code = 1): CommandResult => ({
      code,
      out: '',
      errors: expect.stringMatching(errors) as string,
    });
    const { agentId } = rows;
    expect(await rollouts('start', agentId, '4')).toEqual(refused(/^There is no version 4 of the agent /));
    expect(await rollouts('start', agentId, '2', '--canary', '101%')).toEqual(
      refused(/canary\.percent: A percentage is/),
    );
    expect(await rollouts('start', agentId, '2', '--canary', 'all')).toEqual(refused(/It must be a number of inst/, 2));
    expect(await rollouts('start', agentId, '2', '--min-healthy', 'long')).toEqual(refused(/number of seconds/, 2));
    expect(await rollouts('start', agentId, '2', '--strategy', '/none.json')).toEqual(refused(/cannot be read/, 2));
    const list = await file('list.json', []);
    expect(await rollouts('start', agentId, '2', '--strategy', list)).toEqual(refused(/has no strategy/, 2));
    await started(agentId, '2');
    expect(await rollouts('start', agentId, '3')).toEqual(
      refused(/Another rollout of the agent is active\. .*supersede/),
    );
    expect(await rollouts('show', 'nothing')).toEqual(refused(/No agent has the id or name nothing/));
  });
});

describe('publish', () => {
  const runtime = (command: string) => file(`${command}.json`, { kind: 'process', command: [command] });

  test('publishes the version and rolls it out, and ends with what became of that', async () => {
    await rows.insertRunning(2);
    const args = ['publish', rows.agentId, '--version', '4', '--runtime', await runtime('four')];
    const waiting = run(...args, '--capabilities', 'chat, search', '--canary', '1', '--wait', '--timeout', '5m');
    const id = await begun('4');
    await complete(id);
    expect(await waiting).toMatchObject({
      code: 0,
      out: expect.stringMatching(/has ended\. It is completed/) as string,
      errors: expect.stringMatching(/^The version 4 is published\./) as string,
    });
    const { rows: found } = await rows.pool.query(
      'select version, stable_version, capabilities, runtime from agents where id = $1',
      [rows.agentId],
    );
    expect(found).toEqual([
      {
        version: '4',
        stable_version: '4',
        capabilities: ['chat', 'search'],
        runtime: { kind: 'process', command: ['four'] },
      },
    ]);
    expect(await run(...args)).toMatchObject({
      code: 0,
      out: '',
      errors: 'The version 4 is the stable version of the agent already.\n',
    });
  });

  test('repeated, goes on with the rollout that is active, and ends with 3 once that is rolled back', async () => {
    await rows.insertRunning(1);
    const args = ['publish', rows.agentId, '--version', '4', '--runtime', await runtime('broken')];
    const { out, errors } = await run(...args);
    expect(errors).toBe('The version 4 is published.\n');
    const command = startInstances([...args, '--wait', '--json'], environment());
    await vi.waitFor(() => expect(command.errors()).toContain(`Watching the rollout ${out.trim()}.`), {
      timeout: 60_000,
    });
    await rollBack(out.trim());
    expect(await command.exit).toBe(3);
    expect(JSON.parse(command.out())).toMatchObject({ id: out.trim(), status: 'rolled_back', reverted: 1 });
    expect(await run(...args)).toMatchObject({
      code: 1,
      errors: 'This version was withdrawn and cannot be published again. Publish another version.\n',
    });
  });

  test('publishes nothing where the rollout is refused', async () => {
    await started(rows.agentId, '2');
    const args = ['publish', rows.agentId, '--version', '4', '--runtime', await runtime('four')];
    expect(await run(...args)).toMatchObject({ code: 1, errors: expect.stringMatching(/Another rollout/) as string });
    expect(await run(...args, '--max-parallel', '0')).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/max_parallel\.count: A count is at least 1/) as string,
    });
    const { rows: found } = await rows.pool.query('select from agent_versions where agent_id = $1', [rows.agentId]);
    expect(found).toHaveLength(3);
    const ship = await file('ship.json', { kind: 'ship' });
    expect(await run('publish', rows.agentId, '--version', '4', '--runtime', ship)).toMatchObject({
      code: 2,
      errors: expect.stringMatching(/is no runtime of an agent/) as string,
    });
  });

  test('follows the strategy of the agent, and takes no other one', async () => {
    await rows.pool.query('update agents set rollout = $2 where id = $1', [rows.agentId, { canary: { count: 3 } }]);
    const args = ['publish', rows.agentId, '--version', '4', '--runtime', await runtime('four')];
    expect(await run(...args, '--canary', '1')).toMatchObject({
      code: 2,
      errors: expect.stringMatching(/^The agent has a strategy of its own/) as string,
    });
    expect(await strategyOf((await run(...args)).out.trim())).toEqual({ canary: { count: 3 } });
  });
});
