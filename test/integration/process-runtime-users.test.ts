import { mkdir, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AgentNotReady, SpecRejected } from '../../runtimes/runtime.ts';
import { listProcesses } from '../../runtimes/process/process-table.ts';
import { context, createAgentRig, processesOf } from '../support/process-agents.ts';

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const agentUsers = { first: 287_001, last: 287_003 };
const ready = ': > "$INSTANCE_READY_FILE"; exec sleep 1000';

describe.skipIf(!isRoot)('agents with users of their own', () => {
  let rig: Awaited<ReturnType<typeof createAgentRig>>;
  beforeEach(async () => {
    rig = await createAgentRig({ agentUsers });
  });
  afterEach(() => rig.dispose());

  const logOf = (instanceId: string) => readFile(join(rig.folderOf(instanceId), 'agent.log'), 'utf8');

  test('an agent reaches neither the worker nor another agent, and writes only its own files', async () => {
    const runtime = rig.openRuntime();
    const script = `echo private > secret; ${ready}`;
    const other = rig.request({ ready: 'file', script, config: { apiKey: 'key' } });
    await runtime.provision(other, context());
    const [victim] = await processesOf(other.instanceId);
    const folder = rig.folderOf(other.instanceId);
    const attempts = [
      'cat /proc/$PPID/environ',
      'cat /proc/$PPID/mem',
      'kill -0 $PPID',
      `cat /proc/${victim}/environ`,
      `kill -0 ${victim}`,
      `kill -9 ${victim}`,
      `ls ${folder}`,
      `cat ${folder}/state/secret`,
      `cat ${folder}/config.json`,
      `cat ${folder}/agent.log`,
      `ls ${rig.directory}`,
      `ls ${rig.directory}/.users`,
      'rm -f ../agent.log',
      'mkfifo ../more',
      'mv ../start.json ../away',
      'echo x > ../start.json',
      'cat ../agent.log',
    ];
    const lines = attempts.map((attempt, index) => `(${attempt}) >/dev/null 2>&1 && echo "did ${index}"`);
    const own = 'cat "$INSTANCE_CONFIG_FILE" > /dev/stdout && echo mine > file && echo "$HOME $(id -u) $(id -G)"';
    const request = rig.request({ ready: 'file', script: `${lines.join('\n')}\n${own}\n${ready}` });
    await runtime.provision(request, context());
    const uid = (await stat(join(rig.folderOf(request.instanceId), 'state', 'file'))).uid;
    expect(uid).toBeGreaterThanOrEqual(agentUsers.first);
    expect(await logOf(request.instanceId)).toBe(`{}${rig.folderOf(request.instanceId)}/state ${uid} ${uid}\n`);
    expect(await processesOf(other.instanceId)).toEqual([victim]);
  });

  test('no two have the same user, it is kept over starts, and it is free again once the instance is gone', async () => {
    const runtime = rig.openRuntime();
    const [first, second, third] = [rig.request(), rig.request(), rig.request()];
    const requests = [first, second, third];
    await Promise.all(requests.map((request) => runtime.provision(request, context())));
    const userOf = async (instanceId: string) =>
      (await listProcesses()).find(({ instanceName }) => instanceName === `instance-${instanceId}`)?.uid;
    const users = await Promise.all(requests.map(({ instanceId }) => userOf(instanceId)));
    expect(new Set(users)).toEqual(new Set([287_001, 287_002, 287_003]));
    const next = rig.request();
    await expect(runtime.provision(next, context())).rejects.toThrow(/AGENT_UIDS.*widen the range/);
    await rig.openRuntime().provision({ ...second, generation: 2 }, context());
    expect(await userOf(second.instanceId)).toBe(users[1]);
    await runtime.cleanUp(first.instanceId, context());
    await runtime.provision(next, context());
    expect(await userOf(next.instanceId)).toBe(users[0]);
  });

  test('a user that an earlier release gave away is kept, and is free again once the instance is gone', async () => {
    const userOf = async (instanceId: string) => (await stat(join(rig.folderOf(instanceId), 'state'))).uid;
    const links = join(rig.directory, '.users-by-name');
    for (const end of ['replaced', 'removed']) {
      const request = rig.request();
      await rig.openRuntime().provision(request, context());
      const uid = await userOf(request.instanceId);
      // Earlier releases made only the links by the id of the user.
      await rm(links, { recursive: true });
      const runtime = rig.openRuntime();
      if (end === 'replaced') await runtime.provision({ ...request, generation: 2 }, context());
      expect(await userOf(request.instanceId)).toBe(uid);
      await runtime.cleanUp(request.instanceId, context());
      expect(await readdir(join(rig.directory, '.users'))).toEqual([]);
    }
  });

  test('a claim that was cut off leaves the user free', async () => {
    const request = rig.request();
    const name = `instance-${request.instanceId}`;
    await mkdir(join(rig.directory, '.users-by-name'), { recursive: true });
    await symlink(String(agentUsers.first), join(rig.directory, '.users-by-name', name));
    const runtime = rig.openRuntime();
    const others = [rig.request(), rig.request()];
    for (const other of others) await runtime.provision(other, context());
    await runtime.provision(request, context());
    expect((await readdir(join(rig.directory, '.users'))).toSorted()).toEqual(['287001', '287002', '287003']);
    await runtime.cleanUp(request.instanceId, context());
    expect(await readdir(join(rig.directory, '.users-by-name'))).not.toContain(name);
    expect(await readdir(join(rig.directory, '.users'))).toHaveLength(2);
  });

  test('a process that left its group and cleared its environment is ended with its agent', async () => {
    const runtime = rig.openRuntime();
    const script = `setsid env -i sleep 1000 & sleep 0.1; ${ready}`;
    const request = rig.request({ ready: 'file', script, stop_grace_seconds: 0.2 });
    await runtime.provision(request, context());
    const { uid } = await stat(join(rig.folderOf(request.instanceId), 'state'));
    const running = async () => (await listProcesses()).filter((found) => found.uid === uid).length;
    await vi.waitUntil(async () => (await running()) === 2);
    await runtime.cleanUp(request.instanceId, context());
    expect(await running()).toBe(0);
  });

  test('a program that the user of an agent cannot reach is refused, and a file of it says why in its output', async () => {
    const runtime = rig.openRuntime();
    const closed = rig.request({ command: [join(rig.directory, '.claims', 'program')] });
    const error = await runtime.provision(closed, context()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SpecRejected);
    expect(String(error)).toMatch(/cannot be run \(EACCES\).*user of the agent can reach \(AGENT_UIDS/);
    const command = [process.execPath, join(rig.directory, '.claims', 'program.mjs')];
    const ended = await runtime.provision(rig.request({ ready: 'file', command }), context()).catch((e: unknown) => e);
    expect(ended).toBeInstanceOf(AgentNotReady);
  });
});
