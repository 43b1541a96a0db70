import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { runInstances, startInstances, type CommandResult } from '../support/command-line.ts';
import { createDeploymentRows, type DeploymentRows } from '../support/deployment-rows.ts';
import { useRig } from '../support/rig.ts';

/** With the database alone: what the deployer would do is done here. */
const rig = useRig();

/** Each test has a deployment name of its own. */
let rows: DeploymentRows;
let folder: string;
const opened: DeploymentRows[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deployments-'));
});
beforeEach(async () => {
  rows = await createDeploymentRows(rig.environment.DATABASE_URL);
  opened.push(rows);
});
afterAll(async () => {
  await Promise.all(opened.map((each) => each.close()));
  await rm(folder, { recursive: true });
});

const environment = () => ({ DATABASE_URL: rig.environment.DATABASE_URL });
const run = (...args: string[]) => runInstances(args, environment());
const deploy = (...args: string[]) => run('deploy', rows.builds.candidate, '--name', rows.deploymentName, ...args);
const deployments = (...args: string[]) => run('deployments', ...args);
const started = async (...args: string[]): Promise<string> => (await deploy(...args)).out.trim();
const shown = async (id: string): Promise<Record<string, unknown>> =>
  JSON.parse((await deployments('show', id, '--json')).out) as Record<string, unknown>;
const because = (code: string) => ({ reason: { code, message: 'Because.' } });

describe('deploy', () => {
  test('takes each member of the strategy as an option, which counts more than that of the file', async () => {
    const agentId = randomUUID();
    await rows.pool.query(`insert into agents (id, name, version, runtime) values ($1, 'echo', '1', '{}')`, [agentId]);
    const options =
      '--steps 1,10%,50,100 --bake 5m --min-instances 2 --max-failures 1 --probe-rate 5 --on-break hold --max-held 3 ' +
      `--max-restarted 4 --no-gate --canary ${agentId} --pollers-deadline 1m --progress-deadline 1h --rollback-window 2h ` +
      '--no-auto-promote --no-auto-rollback';
    const all = await started(...options.split(' '));
    const { strategy } = await shown(all);
    expect(strategy).toEqual({
      steps: [1, 10, 50, 100],
      bake_seconds: 300,
      min_instances: 2,
      max_failures: 1,
      probe_per_second: 5,
      on_break: 'hold',
      max_held: 3,
      max_restarted: 4,
      gate: 'off',
      canary_agent_id: agentId,
      pollers_deadline_seconds: 60,
      progress_deadline_seconds: 3_600,
      rollback_window_seconds: 7_200,
      auto_promote: false,
      auto_rollback: false,
    });
    await rows.record(all, 'aborted');
    const path = join(folder, 'strategy.json');
    await writeFile(path, JSON.stringify({ steps: [100], bake_seconds: 60 }));
    const { strategy: next } = await shown(await started('--strategy', path, '--bake', '10'));
    expect(next).toEqual({ steps: [100], bake_seconds: 10 });
  });

  test('with --wait tells the progress, and ends with 0 once the build is promoted', async () => {
    const command = startInstances(
      ['deploy', rows.builds.candidate, '--name', rows.deploymentName, '--wait', '--json'],
      environment(),
    );
    const told = (words: string) => vi.waitFor(() => expect(command.errors()).toContain(words), { timeout: 60_000 });
    await told('It is requested.\n');
    const { rows: found } = await rows.pool.query<{ id: string }>(
      'select id from deployments where build_id = $1 and deployment_name = $2',
      [rows.builds.candidate, rows.deploymentName],
    );
    const id = found[0]?.id ?? '';
    await rows.record(id, 'ramping', { percentage: 10, step: 2 });
    await told('It is ramping: the candidate serves 10 % of the instances, in step 2 of 4.\n');
    await rows.record(id, 'promoted', { percentage: 100, step: 4 });
    expect(await command.exit).toBe(0);
    expect(JSON.parse(command.out())).toMatchObject({ id, status: 'promoted', percentage: 100 });
  });

  test('repeated, goes on with the deployment that is active', async () => {
    const id = await started();
    expect(await deploy()).toEqual({
      code: 0,
      out: `${id}\n`,
      errors: `The build ${rows.builds.candidate} is being deployed already.\n`,
    });
    await rows.record(id, 'promoted', { percentage: 100 });
    expect(await deploy('--wait')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^The build \S+ is promoted\./),
    });
  });

  test('takes the name of the environment, which has to be one', async () => {
    const named = (name: string) =>
      runInstances(['deploy', rows.builds.candidate], { ...environment(), TEMPORAL_DEPLOYMENT_NAME: name });
    const { out } = await named(rows.deploymentName);
    expect(await rows.deployment(out.trim())).toMatchObject({ status: 'requested' });
    expect(await named('a.b')).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/TEMPORAL_DEPLOYMENT_NAME.*must be a name such as agents-worker/) as string,
    });
  });

  test('that is not promoted in time ends with 4, and touches nothing', async () => {
    const { code, out, errors } = await deploy('--timeout', '0.3s');
    expect([code, out]).toEqual([4, '']);
    expect(errors).toMatch(/The deployment \S+ is not promoted after 0\.3 s\. It is requested\. It goes on\.\n$/);
    const [, id = ''] = /deployment (\S+) is not/.exec(errors) ?? [];
    expect(await rows.deployment(id)).toMatchObject({ status: 'requested', desired_state: 'running' });
  });

  test.each(['refused', 'rolled_back', 'aborted'])('whose deployment ends as %s ends with 3', async (status) => {
    const id = await started();
    const watching = startInstances(['deployments', 'watch', id], environment());
    await vi.waitFor(() => expect(watching.errors()).toContain('It is requested.'), { timeout: 60_000 });
    await rows.record(id, status, because('task_failures'));
    expect(await watching.exit).toBe(3);
    expect(watching.errors()).toMatch(new RegExp(`The deployment ${id} has ended\\. It is .* Because\\.\n$`));
  });

  test('what cannot be followed is refused with what to do', async () => {
    const refused = (errors: RegExp, code = 1): CommandResult => ({
      code,
      out: '',
      errors: expect.stringMatching(errors) as string,
    });
    opened.push(await createDeploymentRows(rig.environment.DATABASE_URL));
    opened.push(await createDeploymentRows(rig.environment.DATABASE_URL));
    expect(await run('deploy', '1.5.0')).toEqual(
      refused(
        /^There are several deployment names: .*Give one of them with --name, or as TEMPORAL_DEPLOYMENT_NAME\./,
        2,
      ),
    );
    expect(await run('deploy', '1.5.0', '--name', 'nobody')).toEqual(refused(/No agents_worker has had .* nobody/));
    expect(await run('deploy', 'a/b', '--name', rows.deploymentName)).toEqual(refused(/^A build id has 1 to 128/));
    expect(await run('deploy', rows.builds.previous, '--name', rows.deploymentName)).toEqual(
      refused(/is the current one already/),
    );
    expect(await deploy('--steps', '10,1,100')).toEqual(refused(/steps: The steps have to rise/));
    expect(await deploy('--steps', 'all')).toEqual(refused(/They must be percentages with commas between/, 2));
    expect(await deploy('--bake', '9')).toEqual(refused(/bake_seconds: A time here is at least 10 s/));
    expect(await deploy('--max-failures', 'none')).toEqual(refused(/It must be a number\./, 2));
    expect(await deploy('--strategy', '/none.json')).toEqual(refused(/cannot be read/, 2));
    const list = join(folder, 'list.json');
    await writeFile(list, '[]');
    expect(await deploy('--strategy', list)).toEqual(refused(/has no strategy: it has to be a JSON object/, 2));
    await started();
    expect(await run('deploy', rows.builds.next, '--name', rows.deploymentName)).toEqual(
      refused(/^Another deployment of \S+ is active\. Wait/),
    );
  });
});

describe('deployments', () => {
  test('list and show tell what the gate found, what would change and which instances failed', async () => {
    const id = await started('--steps', '5,100');
    const instance = randomUUID();
    const workflow = `instance/${instance}`;
    await rows.record(id, 'ramping', {
      percentage: 5,
      step: 1,
      held: 1,
      gate: {
        replayed: 199,
        failed: 1,
        problems: ['The candidate lacks migration 0064.'],
        examples: [{ workflow_id: workflow, run_id: 'r', message: 'Nondeterminism error\u001B[31m' }],
      },
      blast_radius: {
        examined: 200,
        changed: 14,
        disruptive: 1,
        effects: { restart: 1, record: 13 },
        examples: [{ workflow_id: workflow, effect: 'restart' }],
      },
    });
    await rows.find(id, 'task_failed', [{ instance_id: instance, message: 'Nondeterminism error' }]);
    await rows.record(id, 'paused', { pauses: true, ...because('task_failures') });
    const [head, line] = (await deployments('list', rows.deploymentName, '--utc')).out.split('\n');
    expect(head).toMatch(/^ID +NAME +BUILD +STATUS +PART +REQUESTED +REASON$/);
    expect(line).toMatch(
      new RegExp(`^${id} +${rows.deploymentName} +1\\.5\\.0-b{12} +paused +5 % +\\S+Z +task_failures$`),
    );
    expect(
      JSON.parse((await deployments('list', rows.deploymentName, '--status', 'paused', '--json')).out),
    ).toMatchObject([{ id, requested_by: expect.stringMatching(/^command line/) as string }]);
    expect(await deployments('list', rows.deploymentName, '--status', 'drained')).toMatchObject({
      code: 0,
      out: '',
      errors: 'There is no such deployment. Request one with npx instances deploy.\n',
    });

    const { out } = await deployments('show', id.slice(0, 13));
    expect(out).toContain(
      `Deployment ${id} of ${rows.deploymentName}: ${rows.builds.previous} → ${rows.builds.candidate}\n`,
    );
    expect(out).toContain('It is paused: the candidate serves 5 % of the instances. Because.\n');
    expect(out).toContain(
      'Gate: 199 histories replayed, 1 cannot be replayed. Held on the previous build: 1.\n' +
        '  The candidate lacks migration 0064.\n',
    );
    expect(out).toMatch(new RegExp(`\n {2}${workflow}: Nondeterminism error[^\u001B]*\n`));
    expect(out).toContain(
      'Blast radius: of 200 instances, the candidate would do something with 14 at their next task, and restart or stop 1: ' +
        'record 13, restart 1.\n',
    );
    expect(out).toMatch(new RegExp(`\n${instance} .*task failed .*Nondeterminism error\n`));
    for (const typed of [rows.deploymentName, id]) {
      expect(await shown(typed)).toMatchObject({ id, instances: [{ instance_id: instance, finding: 'task_failed' }] });
    }
  });

  test('builds tells which builds were seen and whom they serve', async () => {
    await rows.announce('1.3.0', 0);
    const { out } = await deployments('builds', '--utc');
    const own = out.split('\n').filter((line) => line.startsWith(rows.deploymentName));
    expect(own).toHaveLength(3);
    expect(own.join('\n')).toMatch(/1\.3\.0 +none .*\n.*1\.5\.0-b{12} +running .*\n.*1\.4\.0-a{12} +current +running /);
    expect(JSON.parse((await deployments('builds', '--json')).out)).toContainEqual(
      expect.objectContaining({ deployment_name: rows.deploymentName, build_id: '1.3.0', is_running: false }),
    );
  });

  test('watch with --until drained goes on after the promotion', async () => {
    const id = await started();
    await rows.record(id, 'promoted', { percentage: 100 });
    expect(await deployments('watch', id)).toMatchObject({ code: 0 });
    expect(await deployments('watch', id, '--until', 'drained', '--timeout', '0.3s')).toMatchObject({
      code: 4,
      errors: expect.stringMatching(/is not drained after 0\.3 s/) as string,
    });
    await rows.record(id, 'drained');
    expect(await deployments('watch', id, '--until', 'drained')).toMatchObject({
      code: 0,
      out: expect.stringContaining('It is drained: ') as string,
    });
  });

  test('watch of a promoted deployment that is rolled back ends with 3', async () => {
    const id = await started();
    await rows.record(id, 'promoted', { percentage: 100 });
    // The deployer has not taken the wish up yet.
    await deployments('rollback', id);
    expect(await deployments('watch', id, '--timeout', '0.3s')).toMatchObject({ code: 4 });
    await rows.record(id, 'rolling_back', because('rollback_requested'));
    expect(await deployments('watch', id, '--timeout', '0.3s')).toMatchObject({ code: 4 });
    await rows.record(id, 'rolled_back', { reset_instances: 2, ...because('rollback_requested') });
    expect(await deployments('watch', id)).toMatchObject({
      code: 3,
      errors: expect.stringContaining(' 2 workflows were reset. Because.') as string,
    });
  });

  test('pause, resume, promote and abort say what is asked for, also by the name', async () => {
    const id = await started();
    for (const [action, says, desired] of [
      ['pause', 'The deployment is to pause. It is requested.', 'paused'],
      ['resume', 'The deployment is to go on. ', 'running'],
      ['promote', 'The build is to be promoted. ', 'promoted'],
      ['abort', 'The deployment is to be aborted. ', 'aborted'],
    ] as const) {
      const { code, out } = await deployments(action, action === 'pause' ? rows.deploymentName : id.slice(0, 13));
      expect(code).toBe(0);
      expect(out.startsWith(says)).toBe(true);
      expect(await rows.deployment(id)).toMatchObject({ desired_state: desired });
    }
    await rows.record(id, 'aborted');
    expect(await deployments('resume', id)).toEqual({
      code: 1,
      out: '',
      errors: 'The deployment has ended already: its status is aborted. Request another one.\n',
    });
    expect(await deployments('show', 'nothing')).toMatchObject({
      code: 1,
      errors:
        'There is no deployment nothing, nor of such a build or deployment name. See npx instances deployments list.\n',
    });
  });

  test('rollback needs a worker of the previous build', async () => {
    const id = await started();
    await rows.record(id, 'promoted', { percentage: 100 });
    await rows.announce(rows.builds.previous, 0);
    expect(await deployments('rollback', id)).toMatchObject({
      code: 1,
      errors: expect.stringMatching(
        /no worker of the previous build .* runs\. Start an agents_worker of that build/,
      ) as string,
    });
    await rows.announce(rows.builds.previous);
    expect(await deployments('rollback', id)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^The deployment is to be rolled back\. /) as string,
    });
  });
});
