import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AgentNotReady, RuntimeUnavailable, SpecRejected } from '../../runtimes/runtime.ts';
import type { ProcessSpec } from '../../runtimes/process/spec.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import { listProcesses } from '../../runtimes/process/process-table.ts';
import { context, createAgentRig, processesOf, readyAndWait } from '../support/process-agents.ts';

let rig: Awaited<ReturnType<typeof createAgentRig>>;
let runtime: Runtime<ProcessSpec>;

beforeEach(async () => {
  rig = await createAgentRig();
  runtime = rig.openRuntime();
});
afterEach(() => rig.dispose());

describe('provision', () => {
  test('repeated and simultaneous calls start one process', async () => {
    const request = rig.request();
    const results = await Promise.all([1, 2, 3].map(() => runtime.provision(request, context())));
    const again = await runtime.provision(request, context());
    expect(new Set([...results, again].map(({ runtimeId }) => runtimeId)).size).toBe(1);
    expect(await processesOf(request.instanceId)).toHaveLength(1);
  });

  test('a higher generation replaces the running process, and a request that is out of date does not', async () => {
    const request = rig.request({ generation: 2 });
    const first = await runtime.provision(request, context());
    const [firstPid] = await processesOf(request.instanceId);
    const second = await runtime.provision({ ...request, generation: 3 }, context());
    const late = await runtime.provision({ ...request, generation: 1 }, context());
    expect(second.runtimeId).not.toBe(first.runtimeId);
    expect(late).toEqual(second);
    const pids = await processesOf(request.instanceId);
    expect(pids).toHaveLength(1);
    expect(pids).not.toContain(firstPid);
  });

  test('waits for the ready file of this start, not that of an earlier one', async () => {
    const request = rig.request({ ready: 'file', script: `sleep 0.2; ${readyAndWait}` });
    await runtime.provision(request, context());
    const begun = performance.now();
    await runtime.provision({ ...request, generation: 2 }, context());
    expect(performance.now() - begun).toBeGreaterThan(200);
  });

  test('an agent that is not ready in time is ended, and the error quotes its output', async () => {
    const script = 'echo looking for the moon; exec sleep 1000';
    const request = rig.request({ ready: 'file', ready_timeout_seconds: 0.3, script });
    const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AgentNotReady);
    expect(String(error)).toMatch(/did not create the file .* within 0.3 s.*looking for the moon/);
    expect(await processesOf(request.instanceId)).toEqual([]);
  });

  test('an agent that ends before it is ready is an error with its exit code and last lines', async () => {
    const script = 'for line in 1 2 3 4 5 6 7; do echo "line $line"; done; exit 3';
    const error = await runtime.provision(rig.request({ ready: 'file', script }), context()).catch(String);
    expect(error).toBe(
      'AgentNotReady: The agent ended with exit code 3, before it was ready. ' +
        'Its last output: line 3\nline 4\nline 5\nline 6\nline 7',
    );
  });

  test.each([
    ['a command that does not exist', { command: ['no-such-command'] }, /no-such-command.* does not exist/],
    ['a command that is no program', { command: [fileURLToPath(import.meta.url)] }, /cannot be run.*EACCES/],
    ['a command in a folder', { command: ['/no/such/program'] }, /The command program.* does not exist/],
    ['a folder that does not exist', { working_directory: '/no/such/folder' }, /working directory .*is not a folder/],
    ['a folder that is a file', { working_directory: import.meta.filename }, /working directory .*is not a folder/],
  ])('%s is rejected for good, and a repaired spec then starts', async (_, spec, message) => {
    const request = rig.request(spec);
    const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SpecRejected);
    expect(String(error)).toMatch(message);
    // Users of the agent read this.
    expect(String(error)).not.toMatch(/no\/such|\/test\/integration/);
    expect(rig.logged()).toMatch(/In the folder \/.*, the command .* cannot be run/);
    await runtime.provision(rig.request({ instanceId: request.instanceId }), context());
    expect(await processesOf(request.instanceId)).toHaveLength(1);
  });

  test('a host that refuses files is a reason to try again, which succeeds once it no longer does', async () => {
    const request = rig.request();
    const inTheWay = rig.folderOf(request.instanceId);
    await writeFile(inTheWay, 'a file where the folder belongs');
    const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RuntimeUnavailable);
    expect(String(error)).not.toContain(rig.directory);
    await rm(inTheWay);
    await runtime.provision(request, context());
    expect(await processesOf(request.instanceId)).toHaveLength(1);
  });

  test('the agent gets a clean environment, which its spec cannot use to pose as another instance', async () => {
    const print = 'require("fs").writeFileSync(process.env.TRACE, JSON.stringify(process.env))';
    const script = `'${process.execPath}' -e '${print}'; ${readyAndWait}`;
    const environment = { COLOUR: 'blue', INSTANCE_ID: 'somebody-else' };
    const request = rig.request({ ready: 'file', script, environment });
    vi.stubEnv('DATABASE_URL', 'postgres://user:secret@localhost/db');
    await runtime.provision(request, context()).finally(() => vi.unstubAllEnvs());
    const folder = rig.folderOf(request.instanceId);
    const { PATH, HOME, TRACE, PWD, ...rest } = JSON.parse(await rig.readTrace());
    expect({ PATH, HOME, TRACE, PWD }).toEqual(
      expect.objectContaining({ PATH: expect.any(String), HOME: expect.any(String) }),
    );
    delete rest.SHLVL;
    delete rest._;
    delete rest.OLDPWD;
    expect(rest).toEqual({
      COLOUR: 'blue',
      AGENT_ID: request.agentId,
      INSTANCE_ID: request.instanceId,
      INSTANCE_NAME: `instance-${request.instanceId}`,
      INSTANCE_CONFIG_FILE: join(folder, 'config.json'),
      INSTANCE_READY_FILE: join(folder, 'ready'),
    });
  });

  test('a config of 1 MB reaches the agent in a file that only its user can read', async () => {
    const config = { text: 'ä"\\\n'.repeat(220_000) };
    const script = `cp "$INSTANCE_CONFIG_FILE" "$TRACE"; ${readyAndWait}`;
    const request = rig.request({ ready: 'file', script, config });
    await runtime.provision(request, context());
    expect(JSON.parse(await rig.readTrace())).toEqual(config);
    const { mode } = await stat(join(rig.folderOf(request.instanceId), 'config.json'));
    expect((mode & 0o777).toString(8)).toBe('600');
  });

  test('when it is aborted, it ends what it began, heartbeating until then', async () => {
    const abort = new AbortController();
    const heartbeat = vi.fn<() => void>();
    const request = rig.request({ ready: 'file' });
    const provisioning = runtime.provision(request, { signal: abort.signal, heartbeat });
    await vi.waitUntil(() => heartbeat.mock.calls.length >= 2);
    abort.abort(new Error('no longer wanted'));
    await expect(provisioning).rejects.toThrow('no longer wanted');
    expect(await processesOf(request.instanceId)).toEqual([]);
  });
});

describe('cleanUp', () => {
  test('lets the agent end gracefully and removes everything kept for the instance', async () => {
    const script = `trap 'echo goodbye > "$TRACE"; exit 0' TERM; : > "$INSTANCE_READY_FILE"; while :; do sleep 0.05; done`;
    const request = rig.request({ ready: 'file', script });
    await runtime.provision(request, context());
    await runtime.cleanUp(request.instanceId, context());
    expect(await rig.readTrace()).toBe('goodbye\n');
    expect(existsSync(rig.folderOf(request.instanceId))).toBe(false);
  });

  test('kills an agent that ignores SIGTERM, once its grace period is over', async () => {
    const script = `trap '' TERM; : > "$INSTANCE_READY_FILE"; while :; do sleep 0.05; done`;
    const request = rig.request({ ready: 'file', script, stop_grace_seconds: 0.4 });
    await runtime.provision(request, context());
    const begun = performance.now();
    await runtime.cleanUp(request.instanceId, context());
    expect(performance.now() - begun).toBeGreaterThan(400);
    expect(await processesOf(request.instanceId)).toEqual([]);
  });

  test('ends a process that left the group of the agent, also when the agent itself is gone', async () => {
    const detach = 'require("child_process").spawn("sleep", ["1000"], { detached: true, stdio: "ignore" }).unref()';
    const script = `'${process.execPath}' -e '${detach}'; ${readyAndWait}`;
    const [alive, dead] = [rig.request({ ready: 'file', script }), rig.request({ ready: 'file', script })];
    await Promise.all([alive, dead].map((request) => runtime.provision(request, context())));
    expect(await processesOf(dead.instanceId)).toHaveLength(2);
    const { process: agent } = JSON.parse(await readFile(join(rig.folderOf(dead.instanceId), 'start.json'), 'utf8'));
    process.kill(agent.pid, 'SIGKILL');
    for (const { instanceId } of [alive, dead]) {
      await runtime.cleanUp(instanceId, context());
      expect(await processesOf(instanceId)).toEqual([]);
    }
  });

  test('ends a process of the group that cleared its environment and outlived the agent', async () => {
    const script = `env -i sh -c 'trap "" TERM; echo $$ > '"$TRACE"'; exec sleep 1000' & while [ ! -s "$TRACE" ]; do sleep 0.01; done; ${readyAndWait}`;
    const request = rig.request({ ready: 'file', script, stop_grace_seconds: 0.2 });
    await runtime.provision(request, context());
    const hidden = Number(await rig.readTrace());
    expect(await processesOf(request.instanceId)).not.toContain(hidden);
    await runtime.cleanUp(request.instanceId, context());
    expect((await listProcesses()).map(({ pid }) => pid)).not.toContain(hidden);
  });

  test('tolerates that there is nothing, and being repeated', async () => {
    await runtime.cleanUp(randomUUID(), context());
    const request = rig.request();
    await runtime.provision(request, context());
    await Promise.all([1, 2].map(() => runtime.cleanUp(request.instanceId, context())));
    await runtime.cleanUp(request.instanceId, context());
    expect(await processesOf(request.instanceId)).toEqual([]);
  });
});

test('the example agent runs, and says what is wrong with a config', async () => {
  const folder = fileURLToPath(new URL('../../examples/heartbeat-agent/', import.meta.url));
  const { runtime: published } = JSON.parse(await readFile(join(folder, 'agent.json'), 'utf8'));
  const request = rig.request({ ...published, working_directory: folder, config: { interval_ms: 20 } });
  await runtime.provision(request, context());
  const log = join(rig.folderOf(request.instanceId), 'agent.log');
  await vi.waitUntil(async () => /ready\n(.* alive\n){3}/.test(await readFile(log, 'utf8')));
  const broken = { ...request, instanceId: rig.request().instanceId, config: { interval_ms: 'often' } };
  await expect(runtime.provision(broken, context())).rejects.toThrow(/exit code 1.*interval_ms must be a whole number/);
});
