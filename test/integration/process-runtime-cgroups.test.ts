import { randomUUID } from 'node:crypto';
import fs, { existsSync, readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openHostCgroups, placeIn } from '../../runtimes/process/agent-cgroups.ts';
import { endAgents } from '../../runtimes/process/end-agents.ts';
import { clearCgroup } from '../../runtimes/process/end-processes.ts';
import { createFence } from '../../runtimes/process/fence/end-overdue.ts';
import { createLauncher } from '../../runtimes/process/launcher/start-launcher.ts';
import { identify, isAlive } from '../../runtimes/process/process-table.ts';
import { SpecRejected, type Runtime } from '../../runtimes/runtime.ts';
import type { ProcessSpec } from '../../runtimes/process/spec.ts';
import { context, createAgentRig, processesOf, readyAndWait } from '../support/process-agents.ts';

const probe = openHostCgroups(randomUUID());
probe?.of('instance').remove();
const isRoot = process.getuid?.() === 0;

let rig: Awaited<ReturnType<typeof createAgentRig>>;
let runtime: Runtime<ProcessSpec>;

/** Counts how often the work lists all processes of the host. */
async function countScans(work: () => Promise<unknown>): Promise<number> {
  const original = fs.readdirSync;
  const scans = vi.spyOn(fs, 'readdirSync').mockImplementation(original);
  syncBuiltinESMExports();
  try {
    await work();
    return scans.mock.calls.filter(([path]) => path === '/proc').length;
  } finally {
    scans.mockRestore();
    syncBuiltinESMExports();
  }
}

const recordFile = (instanceId: string): string => join(rig.folderOf(instanceId), 'start.json');
const recordOf = async (instanceId: string) => JSON.parse(await readFile(recordFile(instanceId), 'utf8'));
const mountPoint = (): string =>
  placeIn(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync('/proc/self/cgroup', 'utf8'))?.mount ?? '';
/** The folder of the cgroup that the record of the instance names. */
const cgroupOf = async (instanceId: string): Promise<string> =>
  join(mountPoint(), (await recordOf(instanceId)).cgroup as string);

/** Writes the pid of a process into `$TRACE` that has a session of its own and no environment, and waits for it. */
const hide = (script = 'exec sleep 1000'): string =>
  `setsid env -i sh -c 'echo $$ > '"$TRACE.new"'; mv '"$TRACE.new $TRACE"'; ${script}' & ` +
  'while [ ! -s "$TRACE" ]; do sleep 0.01; done; ';

async function hiddenProcess() {
  const identity = identify(Number(await rig.readTrace()));
  if (!identity) throw new Error('The hidden process does not run.');
  return identity;
}

const readyAndListen = ': > "$INSTANCE_READY_FILE"; sleep 1000 & wait';

async function killLeader(instanceId: string): Promise<void> {
  const { process: leader } = await recordOf(instanceId);
  process.kill(leader.pid, 'SIGKILL');
  await vi.waitUntil(() => !isAlive(leader));
}

describe.skipIf(!probe)('with a cgroup for each agent', () => {
  beforeEach(async () => {
    rig = await createAgentRig();
    runtime = rig.openRuntime();
  });
  afterEach(() => rig.dispose());

  test('no start, replacement, end or restart after a crash looks at all processes of the host', async () => {
    const requests = [rig.request(), rig.request({ ready: 'file', script: `sleep 1000 & ${readyAndWait}` })];
    const scans = await countScans(async () => {
      for (const request of requests) {
        await runtime.provision(request, context());
        await runtime.provision({ ...request, generation: 2 }, context());
        await killLeader(request.instanceId);
        await runtime.provision({ ...request, generation: 2 }, context());
        await runtime.cleanUp(request.instanceId, context());
      }
    });
    expect(scans).toBe(0);
    for (const { instanceId } of requests) expect(await processesOf(instanceId)).toEqual([]);
  });

  test.each(['runs', 'has ended'])(
    'a process with its own session and without an environment is ended when its agent %s',
    async (state) => {
      const request = rig.request({ ready: 'file', script: hide() + readyAndWait });
      await runtime.provision(request, context());
      const hidden = await hiddenProcess();
      expect(await processesOf(request.instanceId)).not.toContain(hidden.pid);
      if (state === 'has ended') await killLeader(request.instanceId);
      await runtime.cleanUp(request.instanceId, context());
      expect(isAlive(hidden)).toBe(false);
    },
  );

  test('a hidden process gets the time that the agent has to end, and is then killed', async () => {
    const polite = hide(`trap "echo goodbye > $TRACE.end; exit" TERM; while :; do sleep 0.02; done`);
    const request = rig.request({
      ready: 'file',
      script: polite.replace('$TRACE.end', rig.directory + '/end') + readyAndWait,
    });
    await runtime.provision(request, context());
    await runtime.cleanUp(request.instanceId, context());
    expect(await readFile(join(rig.directory, 'end'), 'utf8')).toBe('goodbye\n');
    await rm(join(rig.directory, 'trace'));
    const stubborn = rig.request({
      ready: 'file',
      stop_grace_seconds: 0.4,
      script: hide('trap "" TERM; while :; do sleep 0.02; done') + readyAndWait,
    });
    await runtime.provision(stubborn, context());
    const hidden = await hiddenProcess();
    const begun = performance.now();
    await runtime.cleanUp(stubborn.instanceId, context());
    expect(performance.now() - begun).toBeGreaterThan(400);
    expect(isAlive(hidden)).toBe(false);
  });

  test.each([
    { who: 'npm start', end: () => endAgents(rig.directory) },
    {
      who: 'the fence',
      end: async () => {
        // No worker has renewed a lease of the folder.
        const fence = createFence(rig.directory, () => undefined);
        await fence.look();
        await fence.endOverdue();
      },
    },
  ])('$who ends hidden processes as well', async ({ end }) => {
    const request = rig.request({ ready: 'file', script: hide() + readyAndWait });
    await runtime.provision(request, context());
    const record = await recordOf(request.instanceId);
    await writeFile(recordFile(request.instanceId), JSON.stringify({ ...record, replaceAfterSeconds: 10 }));
    const hidden = await hiddenProcess();
    await end();
    expect(isAlive(hidden)).toBe(false);
    expect(await processesOf(request.instanceId)).toEqual([]);
  });

  test('the launcher is in the cgroup of no agent', async () => {
    const request = rig.request();
    await runtime.provision(request, context());
    const { pid } = (await recordOf(request.instanceId)).process;
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const launcher = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    expect(readFileSync(`/proc/${launcher}/cgroup`, 'utf8')).toBe(readFileSync('/proc/self/cgroup', 'utf8'));
    expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toContain(`/instance-${request.instanceId}\n`);
  });

  test('a launcher that cannot leave the cgroup of an agent ends, and the next start has another one', async () => {
    const launcher = createLauncher();
    const cgroup = openHostCgroups(randomUUID())?.of('instance-of-a-test');
    cgroup?.make();
    const launch = { command: 'sleep', args: ['1000'], cwd: '/', env: { PATH: '/usr/bin:/bin' }, logFile: '/dev/null' };
    const stranded = await launcher.launch({
      ...launch,
      cgroup: { directory: cgroup?.directory ?? '', home: '/no/such/cgroup' },
    });
    const launched = [stranded];
    try {
      expect(stranded.inCgroup).toBe(true);
      expect(await stranded.ended).toBeUndefined();
      expect(cgroup?.members()).toEqual([stranded.identity.pid]);
      launched.push(await launcher.launch(launch));
      expect(cgroup?.members()).toEqual([stranded.identity.pid]);
    } finally {
      for (const { identity } of launched) process.kill(identity.pid, 'SIGKILL');
      launcher.close();
      await clearCgroup(cgroup, context().signal);
    }
  });

  test('nothing is left of cgroups after the last end, nor after a start that fails', async () => {
    const [one, other] = [rig.request(), rig.request({ command: ['no-such-command'] })];
    await runtime.provision(one, context());
    const [ofOne, ofHost] = [await cgroupOf(one.instanceId), dirname(await cgroupOf(one.instanceId))];
    await expect(runtime.provision(other, context())).rejects.toThrow(SpecRejected);
    expect(existsSync(join(ofHost, `instance-${other.instanceId}`))).toBe(false);
    expect(existsSync(ofOne)).toBe(true);
    await runtime.cleanUp(one.instanceId, context());
    expect(existsSync(ofHost)).toBe(false);
  });

  test('a cgroup below that of the agent is ended and removed with it', async () => {
    const request = rig.request();
    await runtime.provision(request, context());
    const inner = join(await cgroupOf(request.instanceId), 'made by the agent', 'inner');
    fs.mkdirSync(inner, { recursive: true });
    const { pid } = (await recordOf(request.instanceId)).process;
    await writeFile(join(inner, 'cgroup.procs'), String(pid));
    await killLeader(request.instanceId);
    await runtime.cleanUp(request.instanceId, context());
    expect(existsSync(dirname(dirname(inner)))).toBe(false);
  });

  describe.each([
    { moment: 'before the cgroup was made', hasProcess: false, hasCgroup: false },
    { moment: 'between the cgroup and the process', hasProcess: false, hasCgroup: true },
    { moment: 'after the start of the process', hasProcess: true, hasCgroup: true },
  ])('a start that was cut off $moment', ({ hasProcess, hasCgroup }) => {
    async function cutOff() {
      const request = rig.request();
      const { runtimeId } = await runtime.provision(request, context());
      const { process: agent, ...intent } = await recordOf(request.instanceId);
      const cgroup = await cgroupOf(request.instanceId);
      await writeFile(recordFile(request.instanceId), JSON.stringify({ ...intent, phase: 'starting' }));
      if (!hasProcess) process.kill(agent.pid, 'SIGKILL');
      await vi.waitUntil(() => hasProcess || !isAlive(agent));
      if (!hasCgroup) fs.rmdirSync(cgroup);
      return { request, runtimeId, cgroup };
    }

    test('is taken up by the next start', async () => {
      const { request, runtimeId, cgroup } = await cutOff();
      const again = await rig.openRuntime().provision(request, context());
      expect(again.runtimeId === runtimeId).toBe(hasProcess);
      expect(await processesOf(request.instanceId)).toHaveLength(1);
      expect(await cgroupOf(request.instanceId)).toBe(cgroup);
    });

    test('leaves nothing behind a clean-up', async () => {
      const { request, cgroup } = await cutOff();
      await rig.openRuntime().cleanUp(request.instanceId, context());
      expect(await processesOf(request.instanceId)).toEqual([]);
      expect(existsSync(cgroup)).toBe(false);
    });
  });

  test('a cgroup that is left without a record is emptied and removed by the next start and by a clean-up', async () => {
    for (const call of ['provision', 'cleanUp'] as const) {
      const request = rig.request({ ready: 'file', script: hide() + readyAndWait });
      await runtime.provision(request, context());
      const hidden = await hiddenProcess();
      const cgroup = await cgroupOf(request.instanceId);
      await killLeader(request.instanceId);
      await rm(recordFile(request.instanceId));
      await rm(join(rig.directory, 'trace'));
      if (call === 'provision') await runtime.provision(request, context());
      else await runtime.cleanUp(request.instanceId, context());
      expect(isAlive(hidden)).toBe(false);
      expect(existsSync(cgroup)).toBe(call === 'provision');
      await runtime.cleanUp(request.instanceId, context());
      await rm(join(rig.directory, 'trace'), { force: true });
    }
  });

  test('a host that lost its identity ends what is in the cgroups of the one before', async () => {
    const request = rig.request({ ready: 'file', script: hide() + readyAndWait });
    await runtime.provision(request, context());
    const hidden = await hiddenProcess();
    const cgroup = await cgroupOf(request.instanceId);
    await rm(join(rig.directory, '.host'));
    const next = rig.openRuntime();
    await next.identify?.();
    await next.cleanUp(request.instanceId, context());
    expect(isAlive(hidden)).toBe(false);
    expect(existsSync(dirname(cgroup))).toBe(false);
  });

  test('an agent that was started without a cgroup is found in the process table and ended', async () => {
    const without = rig.openRuntime({ cgroups: false });
    const detach = 'require("child_process").spawn("sleep", ["1000"], { detached: true, stdio: "ignore" }).unref()';
    const request = rig.request({ ready: 'file', script: `'${process.execPath}' -e '${detach}'; ${readyAndWait}` });
    const { runtimeId } = await without.provision(request, context());
    expect(await recordOf(request.instanceId)).not.toHaveProperty('cgroup');
    expect(await processesOf(request.instanceId)).toHaveLength(2);
    expect(await runtime.provision(request, context())).toMatchObject({ runtimeId });
    await killLeader(request.instanceId);
    await runtime.cleanUp(request.instanceId, context());
    expect(await processesOf(request.instanceId)).toEqual([]);
  });

  test('a record that names the cgroup of another instance, or a folder that is none, ends nothing else', async () => {
    const [request, other] = [rig.request(), rig.request()];
    for (const each of [request, other]) await runtime.provision(each, context());
    const record = await recordOf(request.instanceId);
    const { cgroup: ofOther } = await recordOf(other.instanceId);
    for (const cgroup of [ofOther, `${ofOther}/../../..`, `${dirname(ofOther)}/x/instance-${request.instanceId}`]) {
      await writeFile(recordFile(request.instanceId), JSON.stringify({ ...record, cgroup }));
      await runtime.cleanUp(request.instanceId, context());
      expect(await processesOf(request.instanceId)).toEqual([]);
      expect(await processesOf(other.instanceId)).toHaveLength(1);
      await runtime.provision(request, context());
    }
  });

  test.skipIf(!isRoot)('a process that left the cgroup, but not the group of its agent, is found', async () => {
    const leave = `sh -c 'echo 0 > ${mountPoint()}/cgroup.procs; echo $$ > "$TRACE"; exec sleep 1000' & `;
    const wait = 'while [ ! -s "$TRACE" ]; do sleep 0.01; done; ';
    const request = rig.request({ ready: 'file', script: leave + wait + readyAndWait });
    await runtime.provision(request, context());
    const left = await hiddenProcess();
    expect(readFileSync(`/proc/${left.pid}/cgroup`, 'utf8')).toContain('0::/\n');
    await killLeader(request.instanceId);
    await runtime.cleanUp(request.instanceId, context());
    expect(isAlive(left)).toBe(false);
  });
});

describe.skipIf(!probe || !isRoot)('with a cgroup and a user for each agent', () => {
  beforeEach(async () => {
    rig = await createAgentRig({ agentUsers: { first: 287_011, last: 287_013 } });
    runtime = rig.openRuntime();
  });
  afterEach(() => rig.dispose());

  test('one look at all processes of the host serves many starts and ends', async () => {
    const requests = [rig.request(), rig.request(), rig.request()];
    const scans = await countScans(async () => {
      for (const request of requests) await runtime.provision(request, context());
      for (const request of requests) await runtime.provision({ ...request, generation: 2 }, context());
      for (const { instanceId } of requests) await runtime.cleanUp(instanceId, context());
    });
    expect(scans).toBe(1);
  });

  test('an agent can neither leave its cgroup nor change it, and is ended with all that it started', async () => {
    const hidden = rig.request();
    await runtime.provision(hidden, context());
    const host = dirname(await cgroupOf(hidden.instanceId));
    const name = basename(await cgroupOf(hidden.instanceId));
    const attempts = [
      `echo 0 > ${mountPoint()}/cgroup.procs`,
      `echo 0 > ${dirname(host)}/cgroup.procs`,
      `echo 0 > ${host}/cgroup.procs`,
      `echo 0 > ${host}/${name}/cgroup.procs`,
      `echo 1 > ${host}/${name}/cgroup.kill`,
      'echo 0 > "$OWN/cgroup.procs"',
      'echo 1 > "$OWN/cgroup.kill"',
      'echo 1 > "$OWN/cgroup.freeze"',
      'mkdir "$OWN/inner"',
      'rmdir "$OWN"',
      `mkdir ${host}/more`,
    ];
    const own = `OWN=${mountPoint()}$(sed -n 's/^0:://p' /proc/self/cgroup)`;
    const lines = attempts.map((attempt, index) => `(${attempt}) >/dev/null 2>&1 && echo "did ${index}"`);
    const script = `${own}\n${lines.join('\n')}\necho "$OWN"\nsetsid env -i sleep 1000 &\n${readyAndWait}`;
    const request = rig.request({ ready: 'file', script });
    await runtime.provision(request, context());
    const cgroup = await cgroupOf(request.instanceId);
    expect(await readFile(join(rig.folderOf(request.instanceId), 'agent.log'), 'utf8')).toBe(`${cgroup}\n`);
    const inside = (): number[] => readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').trim().split('\n').map(Number);
    await vi.waitUntil(() => inside().length === 2);
    const [first, second] = inside().map((pid) => identify(pid));
    await runtime.cleanUp(request.instanceId, context());
    for (const identity of [first, second]) expect(identity && isAlive(identity)).toBe(false);
    expect(await processesOf(hidden.instanceId)).toHaveLength(1);
  });
});

describe('without cgroups', () => {
  beforeEach(async () => {
    rig = await createAgentRig();
    runtime = rig.openRuntime({ cgroups: false });
  });
  afterEach(() => rig.dispose());

  test.skipIf(process.platform !== 'linux')('ends that come together look at all processes a few times', async () => {
    const requests = Array.from({ length: 40 }, (_, index) =>
      rig.request({ ready: 'file', script: `trap 'sleep ${index * 0.02}; exit' TERM; ${readyAndListen}` }),
    );
    for (const request of requests) await runtime.provision(request, context());
    const scans = await countScans(() =>
      Promise.all(requests.map(({ instanceId }) => runtime.cleanUp(instanceId, context()))),
    );
    expect(scans).toBeLessThanOrEqual(requests.length / 2);
    for (const { instanceId } of requests) expect(await processesOf(instanceId)).toEqual([]);
  });
});
